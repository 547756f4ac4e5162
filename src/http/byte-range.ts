/** What a request asks of a file: all of it, one part of it, or one that it does not have. */
export type AskedBytes = "all" | "none" | { readonly start: number; readonly end: number };

/**
 * One range of a file (RFC 9110, 14.2), with both ends included. Several at once, and what is no range of bytes, count as no range: the
 * file is sent whole, as the standard has it.
 */
export function askedBytes(range: string | undefined, size: number): AskedBytes {
  const [, first = "", last = ""] = /^\s*bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(range ?? "") ?? [];
  if (first === "" && last === "") return "all";
  if (first === "") return Number(last) === 0 || size === 0 ? "none" : part(Math.max(0, size - Number(last)), size - 1);
  if (last !== "" && Number(last) < Number(first)) return "all";
  if (Number(first) >= size) return "none";
  return part(Number(first), last === "" ? size - 1 : Math.min(Number(last), size - 1));
}

function part(start: number, end: number): AskedBytes {
  return { start, end };
}
