import { compareUtf8 } from "../../domain/keys.ts";
import type { CountedStretch } from "../../read/finder.ts";
import type { PrimaryFacts, PrimaryRow, PrimarySince, ReplicaRow } from "./sides.ts";
import { isShownBy } from "./verdict.ts";

/** Rows that are kept until the end of a count, at most. */
const ROWS_MAX = 10_000;

/** A row of the replica whose memory changed in the primary while it was counted, or is about to expire. */
interface RecentRow {
  readonly row: ReplicaRow;
  /** Whether it is shown beside what the primary had when it was asked. */
  readonly isShown: boolean;
}

/**
 * The replica's share of a count. The primary counts its memories stretch by stretch, and is asked about the replica's rows at other
 * moments: a memory that expires in between would be counted by both sides, or by none. What was the same all the time is
 * counted at once. What changed is kept until the primary has counted, and is decided then by the moment of its stretch.
 */
export class RecentRows {
  /** Shown rows that did not change. */
  settled = 0;
  readonly #archive: boolean;
  readonly #recent: RecentRow[] = [];

  constructor(archive: boolean) {
    this.#archive = archive;
  }

  /** Whether more rows changed than are kept: the count is one from below. */
  get isFull(): boolean {
    return this.#recent.length >= ROWS_MAX;
  }

  /** Takes rows of the replica, and what the primary says of them since its count began. */
  take(rows: readonly ReplicaRow[], facts: PrimaryFacts): void {
    for (const row of rows) {
      if (facts.refused.has(row.memoryId)) continue;
      const primary = facts.rows.get(row.memoryId);
      const isShown = isShownBy(row, primary, this.#archive);
      const mayHaveExpired = primary !== undefined && (primary.endedBy ?? "expired") === "expired";
      if (mayHaveExpired && facts.unsettled.has(row.memoryId)) {
        if (!this.isFull) this.#recent.push({ row, isShown });
      } else if (isShown) this.settled++;
    }
  }

  /** The kept rows, each with the moment at which the primary counted it. @param stretches in order, to the end. */
  moments(stretches: readonly CountedStretch[]): (PrimarySince & { readonly memoryId: string })[] {
    return this.#recent.flatMap(({ row: { memoryId } }) => {
      const stretch = stretchOf(memoryId, stretches);
      return stretch === undefined ? [] : [{ memoryId, snapshot: stretch.snapshot, moment: stretch.moment }];
    });
  }

  /** @param counted what the primary had at these moments. @returns how many of the kept rows are to be added. */
  added(counted: ReadonlyMap<string, PrimaryRow>): number {
    return this.#recent.filter(({ row, isShown }) => {
      const then = counted.get(row.memoryId);
      // Unknown, ended for good, or alive: it was not there to be counted, or the primary has counted it.
      if (then === undefined || (then.endedBy === null ? !then.isExpired : then.endedBy !== "expired")) return false;
      return isShown || isShownBy(row, then, this.#archive);
    }).length;
  }
}

/** The first one that ends at the id or behind it. */
function stretchOf(memoryId: string, stretches: readonly CountedStretch[]): CountedStretch | undefined {
  let [low, high] = [0, stretches.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const end = stretches[middle]?.end ?? null;
    if (end !== null && compareUtf8(end, memoryId) < 0) low = middle + 1;
    else high = middle;
  }
  return stretches[low];
}
