import { hash } from "node:crypto";

/** Names a memory: no read, write or search crosses a namespace. */
export interface MemoryKey {
  readonly namespace: string;
  readonly memoryId: string;
}

/** The namespace of callers that name none. */
export const DEFAULT_NAMESPACE = "default";

/** Number of buckets that the memories are spread over for comparing stores: a bucket is two bytes of a hash. */
export const BUCKET_COUNT = 65_536;

/** One string per key, for maps. Neither part may contain NUL, so no two keys share a text. */
export function keyText(key: MemoryKey): string {
  return `${key.namespace}\u0000${key.memoryId}`;
}

/** The key alone, of anything that has one. */
export function plainKey({ namespace, memoryId }: MemoryKey): MemoryKey {
  return { namespace, memoryId };
}

/** The key whose `keyText` is `text`. */
export function parseKeyText(text: string): MemoryKey {
  const cut = text.indexOf("\u0000");
  return { namespace: text.slice(0, cut), memoryId: text.slice(cut + 1) };
}

/** First two bytes, big-endian, of SHA-256(`namespace 0x00 memoryId`): 0 … 65,535. */
export function bucketOf(key: MemoryKey): number {
  const bytes = hash("sha256", keyText(key), "binary");
  return bytes.charCodeAt(0) * 256 + bytes.charCodeAt(1);
}

/**
 * Order of the UTF-8 bytes, the order of Postgres's `C` collation. JavaScript's own string order differs from it
 * beyond the basic multilingual plane, and rows locked in two orders deadlock.
 */
export function compareKeys(a: MemoryKey, b: MemoryKey): number {
  return compareUtf8(a.namespace, b.namespace) || compareUtf8(a.memoryId, b.memoryId);
}

/** Order of the UTF-8 bytes of two texts: negative, zero or positive. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above U+FFFF: they sort after every other code unit. */
function utf8Rank(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit <= 0xdfff ? codeUnit + 0x10000 : codeUnit;
}
