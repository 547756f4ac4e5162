import { hash } from "node:crypto";
import type { BucketDigests } from "../../domain/buckets.ts";
import { bucketOf, type MemoryKey } from "../../domain/keys.ts";
import { NAMESPACE_PATTERN } from "../../domain/schema.ts";

const COLON = 0x3a;
const CHECKSUM_LENGTH = 64;
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

  /**
   * Adds one page of `count` entries. Modifies `page`.
   * @returns false where the page has more NULs than `count` entries end in: some key or field contains one. Then nothing is added.
   */
  add(page: Buffer, count: number): boolean {
    const ends = nulsOf(page, 3 * count);
    if (ends === null) return false;
    for (let at = 0, start = 0; at < ends.length; at += 3) {
      const [keyEnd, versionEnd, end] = [ends[at]!, ends[at + 1]!, ends[at + 2]!];
      // Whatever is no version or no checksum has no digest.
      if (end - versionEnd - 1 === CHECKSUM_LENGTH && isNumber(page, keyEnd + 1, versionEnd)) {
        this.#addEntry(page, start + this.#prefixLength, keyEnd, end);
      } else {
        this.addMalformed(this.#keyOf(page, start + this.#prefixLength, keyEnd));
      }
      start = end + 1;
    }
    return true;
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

  #keyOf(page: Buffer, from: number, keyEnd: number): MemoryKey {
    const colon = page.indexOf(COLON, from);
    const namespace = page.toString("latin1", from, Math.max(from, colon));
    const named = colon >= 0 && colon < keyEnd - 1 && this.#isNamespace(namespace);
    return named
      ? { namespace, memoryId: page.toString("utf8", colon + 1, keyEnd) }
      : { namespace: "", memoryId: page.toString("utf8", from, keyEnd) };
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

/** Where the NULs of `page` stand; null unless there are `count` of them, one at the end. */
function nulsOf(page: Buffer, count: number): Uint32Array | null {
  const places = new Uint32Array(count);
  let found = 0;
  for (let at = page.indexOf(0); at >= 0; at = page.indexOf(0, at + 1)) {
    if (found === count) return null;
    places[found++] = at;
  }
  return found === count && (count === 0 || places[count - 1] === page.length - 1) ? places : null;
}

function isNumber(page: Buffer, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (page[at]! < 0x30 || page[at]! > 0x39) return false;
  return end > from;
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
