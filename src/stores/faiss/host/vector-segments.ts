import { dropped, type FaissIndex } from "./faiss.ts";
import { type FlatSpace, isIndex, type StagedBlock } from "./flat-space.ts";
import type { MainIndex } from "./main-index.ts";
import type { SegmentViews } from "./segment-views.ts";
import type { SlotHit } from "./slot-hit.ts";

/**
 * A segment of this size is full. Segments bound the cost of one write (FAISS moves all vectors of an index when it
 * outgrows its allocation) and of one vector read (a view is written per segment). Searching many segments costs no more
 * than searching one of the same total size: a flat search of a single query runs on one thread either way.
 */
export const SEGMENT_BYTES_MAX = 32 * 1024 * 1024;

/** Rows `base` … `base + rows - 1` of a namespace, in a flat index. */
export interface Segment {
  readonly index: FaissIndex;
  base: number;
  rows: number;
  /** Rows whose slot is dead. */
  dead: number;
  /** Sealed: takes no more rows, because a rebuild reads it. */
  sealed: boolean;
}

/**
 * The vectors of one namespace, row by row: the main index, if there is one, then the delta, which is a list of flat
 * indexes that take new writes. It does not know the memories of the rows.
 */
export class VectorSegments {
  readonly segments: Segment[] = [];
  main: MainIndex | null = null;
  readonly #space: FlatSpace;

  constructor(space: FlatSpace) {
    this.#space = space;
  }

  get rows(): number {
    const last = this.segments.at(-1);
    return last === undefined ? (this.main?.rows ?? 0) : last.base + last.rows;
  }

  /** Rows that are not in the main index. */
  get deltaRows(): number {
    return this.rows - (this.main?.rows ?? 0);
  }

  /** Appends rows. Cannot fail, except when memory runs out. */
  append(staged: StagedBlock): void {
    const last = this.segments.at(-1);
    const fits = last !== undefined && (last.rows + staged.rows) * this.#space.rowBytes <= SEGMENT_BYTES_MAX;
    if (fits && !last.sealed) {
      this.#space.append(last.index, staged);
      last.rows += staged.rows;
      return;
    }
    let index = staged.rowsIn;
    if (!isIndex(index)) {
      index = this.#space.empty();
      this.#space.append(index, staged);
    }
    this.adopt(index, staged.rows);
  }

  /** Appends a whole index as a segment. */
  adopt(index: FaissIndex, rows: number): void {
    this.segments.push({ index, base: this.rows, rows, dead: 0, sealed: false });
  }

  /** Seals the current segment: further rows go to a new one. @returns the number of rows so far. */
  seal(): number {
    const last = this.segments.at(-1);
    if (last !== undefined) last.sealed = true;
    return this.rows;
  }

  /** Replaces the first `cut` rows with the result of a rebuild. The caller must mark dead rows again. */
  replaceFirst(
    cut: number,
    built: { main: MainIndex | null; segments: readonly Segment[] },
    views: SegmentViews,
  ): void {
    const later = this.segments.filter(({ base }) => base >= cut);
    for (const { index, rows, base } of this.segments.splice(0)) {
      if (base >= cut) continue;
      views.forget(index);
      dropped(rows * this.#space.rowBytes, true);
    }
    this.main?.drop();
    this.main = built.main;
    for (const segment of [...built.segments, ...later]) this.segments.push({ ...segment, base: this.rows, dead: 0 });
    if (this.main !== null) this.main.dead = 0;
  }

  /** Marks a row dead. */
  markDead(slot: number): void {
    if (this.main !== null && slot < this.main.rows) this.main.dead++;
    else this.#segmentOf(slot).dead++;
  }

  /**
   * The live rows nearest to each query, concatenated from the main index and each segment: `k` from each, or all its live
   * rows where fewer exist.
   * @param queries concatenated rows.
   */
  search(queries: Float32Array, k: number, isLive: (slot: number) => boolean): SlotHit[][] {
    const { dimension } = this.#space.shape;
    const hits: SlotHit[][] = Array.from({ length: queries.length / dimension }, () => []);
    const take = (found: readonly SlotHit[][]): void => {
      for (const [query, list] of found.entries()) for (const hit of list) hits[query]!.push(hit);
    };
    if (this.main !== null && this.main.dead < this.main.rows) take(this.main.search(queries, k, isLive));
    for (const segment of this.segments) {
      if (segment.dead < segment.rows) take(this.#space.searchLive(segment.index, segment, queries, k, isLive));
    }
    return hits;
  }

  /** Copies the bytes of a row into `target`. */
  readRow(slot: number, target: Uint8Array, views: SegmentViews): void {
    if (this.main !== null && slot < this.main.rows) {
      this.main.readRow(slot, target);
      return;
    }
    const segment = this.#segmentOf(slot);
    views.readRow(segment.index, slot - segment.base, target);
  }

  /** Releases all rows. */
  drop(views: SegmentViews): void {
    this.replaceFirst(this.rows, { main: null, segments: [] }, views);
  }

  #segmentOf(slot: number): Segment {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.segments[middle]!.base <= slot) low = middle;
      else high = middle - 1;
    }
    return this.segments[low]!;
  }
}
