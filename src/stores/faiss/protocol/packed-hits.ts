import { setImmediate as nextTurn } from "node:timers/promises";
import type { SearchHit } from "./search-hit.ts";

/** Search results in columns: 100,000 objects would block the event loop for a quarter of a second. */
export interface PackedHits {
  /** Number of hits per query. */
  readonly counts: Uint32Array;
  /** UTF-8 ids, each NUL-terminated. */
  readonly memoryIds: Uint8Array;
  readonly versions: Float64Array;
  readonly scores: Float64Array;
  /** 32 bytes each. */
  readonly checksums: Uint8Array;
}

const CHECKSUM_BYTES = 32;
/** Hits unpacked per turn of the event loop: two milliseconds. */
const HITS_PER_TURN = 2_000;

/** Collects hits in columns, query by query. Copies bytes into its columns: an object for each part of a hit took longer. */
export class HitsPacker {
  readonly #counts: number[] = [];
  readonly #versions: number[] = [];
  readonly #scores: number[] = [];
  #ids: Buffer = Buffer.allocUnsafe(1_024);
  #idsLength = 0;
  #checksums: Buffer = Buffer.allocUnsafe(64 * CHECKSUM_BYTES);

  query(): void {
    this.#counts.push(0);
  }

  /**
   * Adds a hit to the last query.
   * @param id UTF-8, from `start` (inclusive) to `end` (exclusive) of `bytes`. @param checksums where its own begins at `checksumStart`.
   */
  add(
    id: { readonly bytes: Uint8Array; readonly start: number; readonly end: number },
    version: number,
    checksums: Uint8Array,
    checksumStart: number,
    score: number,
  ): void {
    this.#counts[this.#counts.length - 1]!++;
    const { bytes, start, end } = id;
    let at = this.#idsLength;
    if (at + end - start + 1 > this.#ids.length) this.#ids = grown(this.#ids, at, end - start + 1);
    for (let from = start; from < end; from++) this.#ids[at++] = bytes[from]!;
    this.#ids[at++] = 0;
    this.#idsLength = at;
    let place = this.#versions.length * CHECKSUM_BYTES;
    if (place === this.#checksums.length) this.#checksums = grown(this.#checksums, place, CHECKSUM_BYTES);
    for (let from = checksumStart; from < checksumStart + CHECKSUM_BYTES; from++)
      this.#checksums[place++] = checksums[from]!;
    this.#versions.push(version);
    this.#scores.push(score);
  }

  finish(): PackedHits {
    return {
      counts: Uint32Array.from(this.#counts),
      memoryIds: this.#ids.subarray(0, this.#idsLength),
      versions: Float64Array.from(this.#versions),
      scores: Float64Array.from(this.#scores),
      checksums: this.#checksums.subarray(0, this.#versions.length * CHECKSUM_BYTES),
    };
  }
}

/** A larger copy of the first `used` bytes, with room for `more`. */
function grown(bytes: Buffer, used: number, more: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(2 * bytes.length, used + more));
  larger.set(bytes.subarray(0, used));
  return larger;
}

/** One list of hits per query. Yields to the event loop while it unpacks. */
export async function unpackHits(packed: PackedHits): Promise<SearchHit[][]> {
  const { counts, versions, scores } = packed;
  const ids = Buffer.from(packed.memoryIds.buffer, packed.memoryIds.byteOffset, packed.memoryIds.byteLength);
  const { buffer, byteOffset, byteLength } = packed.checksums;
  const checksums = Buffer.from(buffer, byteOffset, byteLength);
  const lists: SearchHit[][] = [];
  let at = 0;
  let start = 0;
  for (const count of counts) {
    const hits: SearchHit[] = [];
    for (const end = at + count; at < end; at++) {
      if (at > 0 && at % HITS_PER_TURN === 0) await nextTurn();
      const idEnd = ids.indexOf(0, start);
      hits.push({
        memoryId: ids.toString("utf8", start, idEnd),
        version: versions[at]!,
        checksum: checksums.toString("hex", at * CHECKSUM_BYTES, (at + 1) * CHECKSUM_BYTES),
        score: scores[at]!,
      });
      start = idEnd + 1;
    }
    lists.push(hits);
  }
  return lists;
}
