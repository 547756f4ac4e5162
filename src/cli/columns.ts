import Table from "cli-table3";
import { printable } from "./output.ts";

export interface Column {
  readonly head: string;
  readonly align?: "left" | "right";
}

/** Cells in aligned columns under their heads. Only spaces between them, so that other programs can split them. */
export function columns(heads: readonly Column[], rows: readonly (readonly string[])[]): string {
  const bare = { top: "", bottom: "", left: "", right: "", mid: "", middle: "  " };
  const corners = { "top-mid": "", "top-left": "", "top-right": "", "bottom-mid": "", "bottom-left": "" };
  const table = new Table({
    head: heads.map(({ head }) => head),
    colAligns: heads.map(({ align }) => align ?? "left"),
    chars: { ...bare, ...corners, "bottom-right": "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(row.map((cell) => printable(cell)));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}
