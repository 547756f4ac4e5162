import { type JsonLine, readJsonLines } from "./json-lines.ts";

/** Bytes of an NDJSON file, or its records. */
export type ImportSource = AsyncIterable<Uint8Array> | AsyncIterable<unknown> | Iterable<unknown>;

/** A record with its number: that of its line, where it comes from a file. */
export type NumberedRecord = Pick<JsonLine, "number" | "end" | "content">;

/** Numbers the records of a source, and parses them where it gives bytes. */
export async function* numberedRecords(source: ImportSource): AsyncGenerator<NumberedRecord, void, undefined> {
  const items = iterate(source);
  try {
    const first = await items.next();
    if (first.done) return;
    if (first.value instanceof Uint8Array) {
      yield* readJsonLines(rest(first.value, items));
      return;
    }
    yield { number: 1, end: 0, content: { value: first.value } };
    for (let number = 2; ; number++) {
      const item = await items.next();
      if (item.done) return;
      yield { number, end: 0, content: { value: item.value } };
    }
  } finally {
    await items.return?.(undefined);
  }
}

async function* iterate(source: ImportSource): AsyncGenerator<unknown, void, undefined> {
  yield* source;
}

async function* rest(first: Uint8Array, items: AsyncIterator<unknown>): AsyncGenerator<Uint8Array, void, undefined> {
  yield first;
  for (;;) {
    const item = await items.next();
    if (item.done) return;
    yield item.value as Uint8Array;
  }
}
