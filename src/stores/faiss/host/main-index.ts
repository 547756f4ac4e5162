import { FLAT_HEADER_BYTES } from "../protocol/flat-block.ts";
import { exactScore } from "../protocol/metric.ts";
import type { HeldFile } from "../snapshots/held-file.ts";
import { dropped, type FaissIndex } from "./faiss.ts";
import type { FlatSpace } from "./flat-space.ts";
import type { SlotHit } from "./slot-hit.ts";

/** Bytes of exact vectors per read. */
const SCAN_BYTES = 1024 * 1024;
/** Candidates per result for re-ranking, where the index holds quantized vectors and the exact ones decide. */
const RESCORED_PER_RESULT = 4;
const RESCORED_MIN = 64;
/**
 * Rows that an IVF index looks at for each result, at least: with fewer, nearer rows stand in lists that it does not visit. With 1 row
 * for each result, as where a filter goes after the index and lets 1 % pass, recall@10 was 0.78.
 */
const VISITED_PER_RESULT = 8;
/** As a multiple of `nprobe`: a search that should visit more lists than these, and cannot, is answered by an exact scan. */
const SHALLOW = 4;

export interface MainParts {
  readonly index: FaissIndex;
  /** The index as FAISS wrote it. */
  readonly file: HeldFile;
  /** The exact vectors, in FAISS's flat format. */
  readonly vectors: HeldFile;
  readonly rows: number;
  /** As FAISS's factory takes it. */
  readonly factory: string;
  /** Lists of an IVF index that a search visits. */
  readonly nprobe: number;
}

/**
 * The first rows of a namespace in an approximate index (`HNSW32`, `IVF1024,Flat`, …). Row and slot have the same number.
 * The index is immutable: FAISS cannot remove vectors from most index types, so searches filter out dead rows and a
 * rebuild makes a new index. A file beside it holds the exact vectors, bit for bit, for proofs, rebuilds and exact
 * answers.
 */
export class MainIndex implements MainParts {
  readonly index: FaissIndex;
  readonly file: HeldFile;
  readonly vectors: HeldFile;
  readonly rows: number;
  readonly factory: string;
  readonly nprobe: number;
  /** Rows whose slot is dead. */
  dead = 0;
  readonly #space: FlatSpace;

  constructor(space: FlatSpace, parts: MainParts) {
    this.#space = space;
    this.index = parts.index;
    this.file = parts.file;
    this.vectors = parts.vectors;
    this.rows = parts.rows;
    this.factory = parts.factory;
    this.nprobe = parts.nprobe;
  }

  /** Copies the exact bytes of a row into `target`. */
  readRow(row: number, target: Uint8Array): void {
    this.vectors.readAt(target, FLAT_HEADER_BYTES + row * this.#space.rowBytes);
  }

  /** The nearest live rows of each query: `k` of them, or all live rows where fewer exist. */
  search(queries: Float32Array, k: number, isLive: (slot: number) => boolean): SlotHit[][] {
    const live = this.rows - this.dead;
    const expected = Math.min(k, live);
    const wanted = this.#isRounded ? Math.min(live, Math.max(k * RESCORED_PER_RESULT, RESCORED_MIN)) : expected;
    const { dimension } = this.#space.shape;
    const hits = this.#candidates(queries, wanted, this.#listsFor(expected), isLive);
    return hits.map((found, query) => {
      const vector = queries.subarray(query * dimension, (query + 1) * dimension);
      // The visited part of the graph, or of the lists, gave too few results: fall back to an exact scan of all rows.
      if (found.length < expected) return this.#scan(vector, k, isLive);
      return this.#isRounded ? this.#rescored(vector, found, k) : found;
    });
  }

  drop(): void {
    this.file.release();
    this.vectors.release();
    dropped(this.file.bytes, true);
  }

  /** Whether scores come from quantized vectors. */
  get #isRounded(): boolean {
    return !/(^HNSW\d+$|Flat$)/.test(this.factory);
  }

  #candidates(queries: Float32Array, wanted: number, lists: number, isLive: (slot: number) => boolean): SlotHit[][] {
    const count = queries.length / this.#space.shape.dimension;
    const visitsMore = lists > 0 && this.index.searchMany !== undefined;
    // faiss-node's own binary visits no more lists than the file says: an exact scan in place of a shallow search.
    const isShallow = !visitsMore && lists > SHALLOW * this.nprobe;
    // Nearly all rows are requested, or nearly all are dead: an exact scan costs no more, unless FAISS has the exact vectors too.
    const isWhole = wanted * 2 > this.rows && (!visitsMore || this.#isRounded);
    if (isShallow || isWhole) return Array.from({ length: count }, () => []);
    return this.#space.searchLive(this.index, this, queries, wanted, isLive, lists);
  }

  /** Lists of an IVF index that a search for `count` rows visits; 0 for indexes without lists. */
  #listsFor(count: number): number {
    const all = Number(/(?:^|,)IVF(\d+)/.exec(this.factory)?.[1] ?? 0);
    if (all === 0) return 0;
    return Math.min(all, Math.max(this.nprobe, Math.ceil((count * VISITED_PER_RESULT * all) / this.rows)));
  }

  #rescored(query: Float32Array, found: readonly SlotHit[], k: number): SlotHit[] {
    const row = new Float32Array(query.length);
    const bytes = new Uint8Array(row.buffer);
    const scored = found.map(({ slot }) => {
      this.readRow(slot, bytes);
      return { slot, score: exactScore(this.#space.shape.metric, query, row, 0) };
    });
    return scored.sort((a, b) => b.score - a.score || a.slot - b.slot).slice(0, k);
  }

  /** Exact search, row by row. */
  #scan(query: Float32Array, k: number, isLive: (slot: number) => boolean): SlotHit[] {
    const { dimension, metric } = this.#space.shape;
    const perRead = Math.max(1, Math.floor(SCAN_BYTES / this.#space.rowBytes));
    const rows = new Float32Array(perRead * dimension);
    const best = new Best(k);
    for (let start = 0; start < this.rows; start += perRead) {
      const count = Math.min(perRead, this.rows - start);
      const bytes = new Uint8Array(rows.buffer, 0, count * this.#space.rowBytes);
      this.vectors.readAt(bytes, FLAT_HEADER_BYTES + start * this.#space.rowBytes);
      for (let row = 0; row < count; row++) {
        if (isLive(start + row)) best.offer(start + row, exactScore(metric, query, rows, row * dimension));
      }
    }
    return best.sorted();
  }
}

/** The `k` best of many candidates: a heap with the worst candidate at the root. */
class Best {
  readonly #k: number;
  readonly #heap: SlotHit[] = [];

  constructor(k: number) {
    this.#k = k;
  }

  offer(slot: number, score: number): void {
    const heap = this.#heap;
    if (heap.length < this.#k) {
      heap.push({ slot, score });
      for (let at = heap.length - 1; at > 0; ) {
        const above = (at - 1) >>> 1;
        if (heap[above]!.score <= heap[at]!.score) return;
        [heap[above], heap[at]] = [heap[at]!, heap[above]!];
        at = above;
      }
      return;
    }
    if (score <= heap[0]!.score) return;
    heap[0] = { slot, score };
    for (let at = 0; ; ) {
      let worst = at;
      for (const below of [2 * at + 1, 2 * at + 2]) {
        if (below < heap.length && heap[below]!.score < heap[worst]!.score) worst = below;
      }
      if (worst === at) return;
      [heap[worst], heap[at]] = [heap[at]!, heap[worst]!];
      at = worst;
    }
  }

  sorted(): SlotHit[] {
    return this.#heap.sort((a, b) => b.score - a.score || a.slot - b.slot);
  }
}
