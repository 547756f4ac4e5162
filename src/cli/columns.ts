import Table from "cli-table3";
import stringWidth from "string-width";
import { printable } from "./output.ts";
import { coloured, type Meaning, terminalWidth } from "./terminal.ts";

export interface Column {
  readonly head: string;
  readonly align?: "left" | "right";
  /**
   * For what people copy into the next command, such as an id: other columns give way, as long as this one takes no more than half of
   * the terminal. @default false
   */
  readonly whole?: boolean;
  /** The meaning of a cell, for its colour. @default none */
  readonly meaning?: (cell: string) => Meaning | null;
}

export interface ColumnOptions {
  /** Characters that the caller puts in front of each line. @default 0 */
  readonly indent?: number;
  /** `cut`: one line a row; `wrap`: as many as it needs. Only on a terminal: nothing is cut in a pipe. @default cut */
  readonly overflow?: "cut" | "wrap";
}

const GAP = 2;
/** A column is not made narrower than this. */
const CELL_WIDTH_MIN = 8;

/**
 * Cells in aligned columns under their heads, as wide as the terminal at most: the widest columns give way. Only spaces
 * between them, so that other programs can split them.
 */
export function columns(
  heads: readonly Column[],
  rows: readonly (readonly string[])[],
  { indent = 0, overflow = "cut" }: ColumnOptions = {},
): string {
  const space = terminalWidth() - indent;
  // Cut roughly first, since a cell may hold a megabyte. A character may take no column, so it is not exact.
  const roughly = Number.isFinite(space) ? (overflow === "cut" ? space * 2 : 10_000) : Number.POSITIVE_INFINITY;
  const texts = rows.map((row) => row.map((cell) => printable(cell, roughly)));
  const natural = heads.map(({ head }, index) =>
    Math.max(stringWidth(head), ...texts.map((row) => stringWidth(row[index] ?? ""))),
  );
  const isFixed = heads.map(({ whole = false }, index) => whole && (natural[index] ?? 0) <= space / 2);
  const widths = fitted(natural, isFixed, space - GAP * (heads.length - 1));
  const bare = { top: "", bottom: "", left: "", right: "", mid: "", middle: " ".repeat(GAP) };
  const corners = { "top-mid": "", "top-left": "", "top-right": "", "bottom-mid": "", "bottom-left": "" };
  const table = new Table({
    head: heads.map(({ head }) => coloured(head, "heading")),
    colAligns: heads.map(({ align }) => align ?? "left"),
    colWidths: widths,
    wordWrap: overflow === "wrap",
    wrapOnWordBoundary: overflow === "wrap",
    chars: { ...bare, ...corners, "bottom-right": "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
  });
  for (const row of texts) table.push(row.map((cell, index) => coloured(cell, heads[index]?.meaning?.(cell) ?? null)));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Widths whose sum fits into `space`: the widest columns are made equally narrow until it does, but for fixed ones. */
function fitted(natural: readonly number[], isFixed: readonly boolean[], space: number): number[] {
  const sum = (widths: readonly number[]): number => widths.reduce((total, width) => total + width, 0);
  let limit = Math.max(...natural);
  const limited = (): number[] => natural.map((width, index) => (isFixed[index] ? width : Math.min(width, limit)));
  while (sum(limited()) > space && limit > CELL_WIDTH_MIN) limit--;
  const widths = limited();
  // The width that is left after rounding goes to the first narrowed column.
  const narrowed = widths.findIndex((width, index) => width < (natural[index] ?? 0));
  const left = space - sum(widths);
  if (narrowed >= 0 && left > 0) widths[narrowed] = Math.min(natural[narrowed] ?? 0, (widths[narrowed] ?? 0) + left);
  return widths;
}
