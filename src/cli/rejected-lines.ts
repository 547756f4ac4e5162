import type { LineError } from "../transfer/import-lines.ts";
import { columns } from "./columns.ts";
import { count } from "./output.ts";

/** Rejected lines that are listed for people. */
const ROWS_MAX = 20;

/** The first rejected lines for people; empty if there are none. */
export function rejectedLines(errors: readonly LineError[], rejected: number): string[] {
  if (errors.length === 0) return [];
  const shown = errors.slice(0, ROWS_MAX);
  const heads = [{ head: "line", align: "right" as const }, { head: "code" }, { head: "reason" }];
  const rows = shown.map(({ line, code, message }) => [String(line), code, message]);
  const more = rejected > shown.length ? [`… and ${count(rejected - shown.length)} more (use --json)`] : [];
  return ["", columns(heads, rows), ...more];
}
