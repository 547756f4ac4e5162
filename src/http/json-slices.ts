import { randomBytes } from "node:crypto";
import { TextDecoder } from "node:util";
import { isObject } from "../domain/json.ts";
import type { ListCuts } from "../domain/json-meter.ts";
import { LONG_ITEM, Turns } from "../runtime/turns.ts";

/** Bytes of a slice, at least: parsing so many takes a millisecond or two. */
const SLICE_BYTES_MIN = 65_536;

/** A list whose entries are parsed slice by slice. Places count bytes of the document. */
interface CutList {
  readonly start: number;
  /** Of the commas between two slices. */
  readonly cuts: number[];
  end: number;
}

/** Notes where the first long list of a document can be cut, while its parts are counted. */
export class ListCutter implements ListCuts {
  #list: CutList = { start: 0, cuts: [], end: 0 };
  #sliceStart = 0;
  #isClosed = false;

  /** The list; null where none is long. */
  get list(): CutList | null {
    return this.#isClosed ? this.#list : null;
  }

  open(place: number): void {
    if (this.#isClosed) return;
    this.#list = { start: place, cuts: [], end: place };
    this.#sliceStart = place;
  }

  separate(place: number): boolean {
    if (this.#isClosed || place - this.#sliceStart < SLICE_BYTES_MIN) return false;
    this.#list.cuts.push(place);
    this.#sliceStart = place + 1;
    return true;
  }

  close(place: number): boolean {
    if (this.#isClosed || this.#list.cuts.length === 0) return false;
    this.#list.end = place;
    this.#isClosed = true;
    return true;
  }
}

/**
 * As `JSON.parse` of the bytes, but for the positions in its errors, over as many turns of the event loop as it takes: parsing a
 * batch at its limits at once would hold up every other caller for a third of a second. The list is parsed slice by slice; the
 * rest of the document has a mark in its place.
 * @param list of the cutter that saw the whole document.
 * @param now milliseconds of a clock that never goes back.
 * @throws {SyntaxError} {TypeError} It is no JSON, or no UTF-8.
 */
export async function parseInTurns(
  bytes: Buffer,
  list: CutList | null,
  now: () => number = () => performance.now(),
): Promise<unknown> {
  if (list === null) return JSON.parse(decode(bytes));
  const entries = await parseList(bytes, list, new Turns(now));
  const mark = randomBytes(16).toString("hex"); // No text of the caller's can be this.
  const rest = [bytes.subarray(0, list.start), Buffer.from(`"${mark}"`), bytes.subarray(list.end)];
  const document = JSON.parse(decode(Buffer.concat(rest))) as unknown;
  const isMarked = (value: unknown): boolean => Array.isArray(value) && value.length === 1 && value[0] === mark;
  if (isMarked(document)) return entries;
  if (isObject(document)) {
    // Not found where a later field has the same name. Not assigned, as it may be called `__proto__`.
    const name = Object.keys(document).find((field) => isMarked(document[field]));
    if (name !== undefined) Object.defineProperty(document, name, { value: entries });
  }
  return document;
}

async function parseList(bytes: Buffer, { start, cuts, end }: CutList, turns: Turns): Promise<unknown[]> {
  const entries: unknown[] = [];
  let from = start;
  for (const cut of [...cuts, end]) {
    const slice = JSON.parse(`[${decode(bytes.subarray(from, cut), true)}]`) as unknown[];
    if (slice.length === 0) throw new SyntaxError("an entry of a list is missing");
    for (const entry of slice) entries.push(entry);
    from = cut + 1;
    if (turns.isOver(LONG_ITEM)) await turns.next();
  }
  return entries;
}

/** @param isWithin not the document's beginning, where a byte order mark does no harm. */
function decode(bytes: Uint8Array, isWithin = false): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: isWithin }).decode(bytes);
}
