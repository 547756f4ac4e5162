import { hash } from "node:crypto";
import type { BucketDigests } from "../../domain/buckets.ts";
import { bucketOf, type MemoryKey } from "../../domain/keys.ts";
import { NAMESPACE_PATTERN } from "../../domain/schema.ts";

const COLON = 0x3a;
/** Size of the cache of validated namespaces: a safety bound that no normal deployment reaches. */
const NAMESPACES_MAX = 10_000;

/**
 * Sums the live entries of pages packed by the `DIGEST` script: `key NUL version NUL checksum NUL` per entry. With the
 * colon after the namespace replaced by a NUL, these are exactly the bytes that an entry digest hashes. They are hashed in
 * place, without a string or an object per entry.
 */
export class PageDigest {
  readonly #prefixLength: number;
  readonly #digests: BucketDigests;
  readonly #namespaces = new Map<string, boolean>();

  /** @param keyPrefix the part of every key before the namespace. */
  constructor(keyPrefix: string, digests: BucketDigests) {
    this.#prefixLength = Buffer.byteLength(keyPrefix);
    this.#digests = digests;
  }

  /** Adds one page. Modifies `page`. */
  add(page: Buffer): void {
    for (let start = 0; start < page.length; ) {
      const keyEnd = page.indexOf(0, start);
      const versionEnd = page.indexOf(0, keyEnd + 1);
      const end = page.indexOf(0, versionEnd + 1);
      this.#addEntry(page, start + this.#prefixLength, keyEnd, end);
      start = end + 1;
    }
  }

  /** Counts a malformed entry, which has no digest, so that its bucket always differs from the ledger's. */
  addMalformed(key: MemoryKey): void {
    this.#digests.add(bucketOf(key), 0, 0);
  }

  #addEntry(page: Buffer, from: number, keyEnd: number, end: number): void {
    const colon = page.indexOf(COLON, from);
    const named = colon >= 0 && colon < keyEnd - 1 && this.#isNamespace(page.toString("latin1", from, colon));
    if (!named) {
      this.addMalformed({ namespace: "", memoryId: page.toString("utf8", from, keyEnd) });
      return;
    }
    page[colon] = 0;
    const key = hash("sha256", page.subarray(from, keyEnd), "binary");
    const entry = hash("sha256", page.subarray(from, end), "binary");
    this.#digests.add((key.charCodeAt(0) << 8) | key.charCodeAt(1), uint32(entry, 0), uint32(entry, 4));
  }

  #isNamespace(text: string): boolean {
    let known = this.#namespaces.get(text);
    if (known === undefined) {
      known = NAMESPACE_PATTERN.test(text);
      if (this.#namespaces.size < NAMESPACES_MAX) this.#namespaces.set(text, known);
    }
    return known;
  }
}

function uint32(bytes: string, at: number): number {
  return (
    ((bytes.charCodeAt(at) << 24) |
      (bytes.charCodeAt(at + 1) << 16) |
      (bytes.charCodeAt(at + 2) << 8) |
      bytes.charCodeAt(at + 3)) >>>
    0
  );
}
