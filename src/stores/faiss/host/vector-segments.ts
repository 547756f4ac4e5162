import { dropped, type FaissIndex } from "./faiss.ts";
import type { FlatSpace, StagedBlock } from "./flat-space.ts";
import type { MainIndex } from "./main-index.ts";
import type { SegmentViews } from "./segment-views.ts";
import type { SlotHit } from "./slot-hit.ts";

/**
 * A segment of this size takes no more rows. Cutting a namespace into segments bounds what one write can cost (FAISS
 * moves all vectors of an index when it outgrows its memory) and what a read of one vector can (a view is written per
 * segment). Searching many costs no more than searching one as long: a flat search of a single query runs on one thread
 * either way.
 */
export const SEGMENT_BYTES_MAX = 32 * 1024 * 1024;

/** Rows `base` … `base + rows - 1` of a namespace, in a flat index. */
export interface Segment {
  readonly index: FaissIndex;
  base: number;
  rows: number;
  /** Rows whose slot is dead. */
  dead: number;
  /** Takes no more rows: a rebuild reads it. */
  sealed: boolean;
}

/**
 * The vectors of one namespace, row by row: the main index, where there is one, and behind its rows the delta, flat
 * indexes that take what is written. Knows nothing of what the rows mean.
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

  /** Adds rows at the end. Cannot fail, short of the end of memory. */
  append(staged: StagedBlock): void {
    const last = this.segments.at(-1);
    const fits = last !== undefined && (last.rows + staged.rows) * this.#space.rowBytes <= SEGMENT_BYTES_MAX;
    if (fits && !last.sealed) {
      this.#space.append(last.index, staged);
      last.rows += staged.rows;
      return;
    }
    if (Array.isArray(staged.rowsIn)) {
      const index = this.#space.empty();
      this.#space.append(index, staged);
      this.adopt(index, staged.rows);
    } else {
      this.adopt(staged.rowsIn, staged.rows);
    }
  }

  /** Takes a whole index as the next segment. */
  adopt(index: FaissIndex, rows: number): void {
    this.segments.push({ index, base: this.rows, rows, dead: 0, sealed: false });
  }

  /** From here on rows go to a new segment. @returns the rows there are. */
  seal(): number {
    const last = this.segments.at(-1);
    if (last !== undefined) last.sealed = true;
    return this.rows;
  }

  /** Puts what a rebuild made in the place of the first `cut` rows. Whoever calls tells the dead anew. */
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

  /** Tells that a row's slot has died. */
  markDead(slot: number): void {
    if (this.main !== null && slot < this.main.rows) this.main.dead++;
    else this.#segmentOf(slot).dead++;
  }

  /**
   * The live rows nearest to each query, those of the main index and of each segment one behind the other: `k` of each,
   * or all live ones where there are fewer.
   * @param queries rows one after the other.
   */
  search(queries: Float32Array, k: number, isLive: (slot: number) => boolean): SlotHit[][] {
    const { dimension } = this.#space.shape;
    const hits: SlotHit[][] = Array.from({ length: queries.length / dimension }, () => []);
    const take = (found: readonly SlotHit[][]): void => {
      for (const [query, list] of found.entries()) for (const hit of list) hits[query]!.push(hit);
    };
    if (this.main !== null && this.main.dead < this.main.rows) take(this.main.search(queries, k, isLive));
    for (const segment of this.segments) {
      if (segment.dead < segment.rows) take(this.#space.searchLive(segment.index, segment, queries, k, isLive, true));
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

  /** Lets go of all rows. */
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
