import type { MemoryDocument } from "../domain/memory.ts";

/**
 * Told of the bytes of documents and vectors that a call holds, before it reads more. An error that it throws ends the call: for a
 * caller that bounds what it holds.
 */
export type OnBytes = (bytes: number) => void;

/** Memories that are read first: their size is not known. */
const FIRST_READ = 32;
const READ_MAX = 1_000;
/** Bytes that a read after the first one is meant to have. */
const READ_BYTES = 4 * 1024 * 1024;

/** Bytes of a document and a vector in memory, about. */
export function heldBytes(
  document: Pick<MemoryDocument<object>, "content" | "metadata"> | null,
  embedding: Float32Array | null | undefined,
): number {
  const text = document === null ? 0 : document.content.length + JSON.stringify(document.metadata).length;
  return text + (embedding?.byteLength ?? 0);
}

/**
 * Reads many items part by part, and tells of the bytes of each part before the next one is read: a thousand memories of a
 * mebibyte would fill the heap before anything could be said about them. Small items are read with few calls.
 */
export async function readInParts<Item, Found>(
  items: readonly Item[],
  read: (part: readonly Item[]) => Promise<readonly Found[]>,
  bytesOf: (found: Found) => number,
  onBytes: OnBytes,
): Promise<Found[]> {
  const all: Found[] = [];
  for (let at = 0, size = FIRST_READ; at < items.length; ) {
    const part = items.slice(at, at + size);
    const found = await read(part);
    const bytes = found.reduce((sum, one) => sum + bytesOf(one), 0);
    onBytes(bytes);
    for (const one of found) all.push(one);
    at += part.length;
    size = nextSize(part.length, bytes);
  }
  return all;
}

/** Items of the next read, after one of `count` items and so many bytes. */
export function nextSize(count: number, bytes: number): number {
  const fitting = Math.floor(READ_BYTES / Math.max(1, bytes / Math.max(1, count)));
  return Math.max(1, Math.min(fitting, Math.max(FIRST_READ, count * 4), READ_MAX));
}
