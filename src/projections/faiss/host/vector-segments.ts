import { scoreOf } from "../metric.ts";
import { dropped, type FaissIndex } from "./faiss.ts";
import type { FlatSpace, StagedBlock } from "./flat-space.ts";
import type { SegmentViews } from "./segment-views.ts";

/**
 * A segment of this size takes no more rows. Cutting a namespace into segments bounds what one write can cost (FAISS
 * moves all vectors of an index when it outgrows its memory) and what a read of one vector can (a view is written per
 * segment), and gives later main indexes a place beside the flat ones. Searching many costs no more than searching one
 * as long: a flat search of a single query runs on one thread either way.
 */
const SEGMENT_BYTES_MAX = 32 * 1024 * 1024;

/** Rows `base` … `base + rows - 1` of a namespace. */
export interface Segment {
  readonly index: FaissIndex;
  readonly base: number;
  rows: number;
  /** Rows whose slot is dead. */
  dead: number;
}

export interface SlotHit {
  readonly slot: number;
  readonly score: number;
}

/** The vectors of one namespace, row by row, in flat indexes. Knows nothing of what the rows mean. */
export class VectorSegments {
  readonly segments: Segment[] = [];
  readonly #space: FlatSpace;

  constructor(space: FlatSpace) {
    this.#space = space;
  }

  get rows(): number {
    const last = this.segments.at(-1);
    return last === undefined ? 0 : last.base + last.rows;
  }

  /** Adds rows at the end. Cannot fail, short of the end of memory. */
  append(staged: StagedBlock): void {
    const last = this.segments.at(-1);
    if (last !== undefined && (last.rows + staged.rows) * this.#space.rowBytes <= SEGMENT_BYTES_MAX) {
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
    this.segments.push({ index, base: this.rows, rows, dead: 0 });
  }

  /** Tells that a row's slot has died. */
  markDead(slot: number): void {
    this.#segmentOf(slot).dead++;
  }

  /**
   * The `k` live rows nearest to each query, best first, or all live rows where there are fewer.
   * @param queries rows one after the other.
   */
  search(queries: Float32Array, k: number, isLive: (slot: number) => boolean): SlotHit[][] {
    const { dimension } = this.#space.shape;
    const hits: SlotHit[][] = Array.from({ length: queries.length / dimension }, () => []);
    for (const segment of this.segments) {
      if (segment.dead < segment.rows) this.#searchSegment(segment, queries, k, isLive, hits);
    }
    return hits;
  }

  /** Copies the bytes of a row into `target`. */
  readRow(slot: number, target: Uint8Array, views: SegmentViews): void {
    const segment = this.#segmentOf(slot);
    views.readRow(segment.index, slot - segment.base, target);
  }

  /** Lets go of all rows. */
  drop(views: SegmentViews): void {
    for (const { index, rows } of this.segments.splice(0)) {
      views.forget(index);
      dropped(rows * this.#space.rowBytes, true);
    }
  }

  #searchSegment(
    segment: Segment,
    queries: Float32Array,
    k: number,
    isLive: (slot: number) => boolean,
    hits: SlotHit[][],
  ): void {
    const { dimension, metric } = this.#space.shape;
    // With k + dead rows asked for, k live ones are among them however they lie. Mostly far fewer do: start with what
    // an even spread of the dead needs, and some more, and widen while a query still lacks.
    const enough = Math.min(segment.rows, k + segment.dead);
    const share = segment.rows / (segment.rows - segment.dead);
    let asked = Math.min(enough, Math.ceil(k * share * 1.2) + (segment.dead === 0 ? 0 : 16));
    if (segment.dead === 0) asked = enough;
    let open = hits.map((_, query) => query);
    while (open.length > 0) {
      const floats: number[] = [];
      for (const query of open) {
        for (let at = query * dimension; at < (query + 1) * dimension; at++) floats.push(queries[at]!);
      }
      const { distances, labels } = segment.index.search(floats, asked);
      const lacking: number[] = [];
      for (const [position, query] of open.entries()) {
        const found: SlotHit[] = [];
        for (let rank = position * asked; rank < (position + 1) * asked && found.length < k; rank++) {
          const label = labels[rank]!;
          // -1: fewer rows can be compared than were asked for (a product overflowed to NaN).
          if (label < 0 || !isLive(segment.base + label)) continue;
          found.push({ slot: segment.base + label, score: scoreOf(metric, distances[rank]!) });
        }
        if (found.length < k && asked < enough) lacking.push(query);
        else hits[query]!.push(...found);
      }
      open = lacking;
      asked = Math.min(enough, asked * 4);
    }
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
