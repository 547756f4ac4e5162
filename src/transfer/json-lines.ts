import { TextDecoder } from "node:util";

/** One line of a JSON-lines file that is not blank. */
export interface JsonLine {
  /** Counted from 1, blank lines included. */
  readonly number: number;
  /** Bytes of the file up to and including this line. */
  readonly end: number;
  readonly content: { readonly value: unknown } | { readonly flaw: string };
}

/** Longer lines are skipped: a memory at the limits of content, metadata and dimension is well below. */
export const LINE_BYTES_MAX = 16 * 1024 * 1024;

const NEWLINE = 0x0a;

/**
 * Reads JSON lines from chunks of bytes, one line in memory at a time, whatever the size of the whole. A line that is no
 * JSON is handed over with what is wrong with it. A byte order mark and Windows line ends do no harm.
 */
export async function* readJsonLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<JsonLine> {
  const decoder = new TextDecoder("utf-8", { fatal: true }); // Takes a byte order mark away.
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let number = 0;
  let end = 0;
  const finish = (): JsonLine | null => {
    number++;
    const content = bytes > LINE_BYTES_MAX ? tooLong(bytes) : parse(decoder, Buffer.concat(parts));
    parts = [];
    bytes = 0;
    return content === null ? null : { number, end, content };
  };
  for await (const chunk of source) {
    let start = 0;
    while (start < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, start);
      const stop = newline < 0 ? chunk.length : newline;
      bytes += stop - start;
      if (bytes <= LINE_BYTES_MAX) parts.push(chunk.subarray(start, stop));
      else parts = []; // Only its length is of interest from here on.
      end += (newline < 0 ? stop : stop + 1) - start;
      start = stop + 1;
      if (newline < 0) continue;
      const line = finish();
      if (line !== null) yield line;
    }
  }
  const last = bytes > 0 ? finish() : null;
  if (last !== null) yield last;
}

/** Null for a blank line. */
function parse(decoder: TextDecoder, line: Uint8Array): JsonLine["content"] | null {
  let text: string;
  try {
    text = decoder.decode(line);
  } catch {
    return { flaw: "not UTF-8" }; // The decoder says no more than that.
  }
  if (text.trim() === "") return null;
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { flaw: `not JSON: ${(error as Error).message}` };
  }
}

function tooLong(bytes: number): JsonLine["content"] {
  return { flaw: `${bytes} bytes long, and at most ${LINE_BYTES_MAX} are read` };
}
