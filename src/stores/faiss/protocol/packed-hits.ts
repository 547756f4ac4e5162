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

/** Collects hits in columns, query by query. */
export class HitsPacker {
  readonly #ids: Buffer[] = [];
  readonly #counts: number[] = [];
  readonly #versions: number[] = [];
  readonly #scores: number[] = [];
  readonly #checksums: Uint8Array[] = [];

  query(): void {
    this.#counts.push(0);
  }

  /** Adds a hit to the last query. `id`: UTF-8 bytes, NUL-terminated. */
  add(id: Buffer, version: number, checksum: Uint8Array, score: number): void {
    this.#counts[this.#counts.length - 1]!++;
    this.#ids.push(id);
    this.#versions.push(version);
    this.#scores.push(score);
    this.#checksums.push(checksum);
  }

  finish(): PackedHits {
    return {
      counts: Uint32Array.from(this.#counts),
      memoryIds: Buffer.concat(this.#ids),
      versions: Float64Array.from(this.#versions),
      scores: Float64Array.from(this.#scores),
      checksums: Buffer.concat(this.#checksums),
    };
  }
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
