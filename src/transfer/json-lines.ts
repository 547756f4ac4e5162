import { TextDecoder } from "node:util";
import { JsonMeter, MEMORY_JSON_LIMITS } from "../domain/json-meter.ts";
import { Turns } from "../runtime/turns.ts";

/** One line of a JSON-lines file that is not blank. */
export interface JsonLine {
  /** Counted from 1, blank lines included. */
  readonly number: number;
  /** Bytes of the file up to and including this line. */
  readonly end: number;
  /** Bytes that the value takes in memory, about; 0 for a flaw. */
  readonly heldBytes: number;
  readonly content: { readonly value: unknown } | { readonly flaw: string };
}

/** Longer lines are skipped: a memory at the limits of content, metadata and dimension is well below. */
export const LINE_BYTES_MAX = 16 * 1024 * 1024;

/** Shorter lines are not counted before they are parsed: their length bounds their parts well enough. */
const COUNTED_FROM_BYTES = 16 * 1024;

/** Bytes that a text, a list or an object takes in memory beside its contents, about. */
const PART_BYTES = 48;

/** Bytes of a line that are as much work as a short line. */
const ITEM_BYTES = 1_024;

const NEWLINE = 0x0a;

/**
 * Reads JSON lines from chunks of bytes, one line in memory at a time, whatever the size of the whole. A line that is no
 * JSON, or has more parts than a memory can have, is handed over with its flaw. A byte order mark and Windows line ends do
 * no harm. Other work of the process goes on meanwhile, whatever the lines are: a piece of 64 KiB may have as many of them.
 * @param now milliseconds of a clock that never goes back.
 */
export async function* readJsonLines(source: AsyncIterable<Uint8Array>, now?: () => number): AsyncGenerator<JsonLine> {
  const turns = new Turns(now);
  const decoder = new TextDecoder("utf-8", { fatal: true }); // Takes a byte order mark away.
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let number = 0;
  let end = 0;
  const finish = (): JsonLine | null => {
    number++;
    const read = bytes > LINE_BYTES_MAX ? tooLong(bytes) : parse(decoder, Buffer.concat(parts));
    parts = [];
    bytes = 0;
    return read === null ? null : { number, end, ...read };
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
      const items = 1 + bytes / ITEM_BYTES;
      const line = finish();
      if (turns.isOver(items)) await turns.next();
      if (line !== null) yield line;
    }
  }
  const last = bytes > 0 ? finish() : null;
  if (last !== null) yield last;
}

type ReadLine = Pick<JsonLine, "heldBytes" | "content">;

/** Null for a blank line. */
function parse(decoder: TextDecoder, line: Uint8Array): ReadLine | null {
  let heldBytes = line.length;
  if (line.length >= COUNTED_FROM_BYTES) {
    const meter = new JsonMeter(MEMORY_JSON_LIMITS);
    const flaw = meter.add(line);
    if (flaw !== null) return flawed(flaw.message);
    heldBytes += meter.parts * PART_BYTES;
  }
  let text: string;
  try {
    text = decoder.decode(line);
  } catch {
    return flawed("not UTF-8"); // The decoder says no more than that.
  }
  if (text.trim() === "") return null;
  try {
    return { heldBytes, content: { value: JSON.parse(text) } };
  } catch (error) {
    return flawed(`not JSON: ${(error as Error).message}`);
  }
}

function tooLong(bytes: number): ReadLine {
  return flawed(`${bytes} bytes long, and at most ${LINE_BYTES_MAX} are read`);
}

function flawed(flaw: string): ReadLine {
  return { heldBytes: 0, content: { flaw } };
}
