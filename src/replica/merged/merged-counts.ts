import type { Condition } from "../../domain/filter/filter.ts";
import type { ScanPlace } from "../../ledger/find-statements.ts";
import type { MemoryCount } from "../../read/list-options.ts";
import type { Merged } from "./merged-gets.ts";
import { MergedRead } from "./merged-read.ts";
import type { ReplicaSide } from "./replica-side.ts";
import type { ReplicaPage, ReplicaQuery } from "./sides.ts";
import { isPrimaryAway } from "./whose-failure.ts";

/** Rows of a step on the replica, each of which is looked up in the primary. */
const STEP_ROWS = 2_000;
/** Rows of the replica that one count looks at, at most. */
const ROWS_MAX = 100_000;

interface ReplicaShare {
  readonly count: number;
  /** Whether the replica was looked at to its end. */
  readonly isComplete: boolean;
}

/**
 * Counts over both sides: the primary's count, and the memories that the replica alone has. Each row of the replica is looked up in
 * the primary, so the share of the replica is bounded, by rows and by `readTimeoutMs`. Where it was not looked at to its end,
 * the count says that it is an estimate: it is one from below.
 */
export class MergedCounts {
  readonly #side: ReplicaSide;

  constructor(side: ReplicaSide) {
    this.#side = side;
  }

  /** @param countPrimary the count of the primary. */
  async count(
    namespace: string,
    condition: Condition,
    countPrimary: () => Promise<number>,
    signal: AbortSignal,
  ): Promise<Merged<MemoryCount>> {
    const read = new MergedRead(this.#side, "count", signal);
    const share = this.#share(read, namespace, condition, signal);
    share.catch(() => undefined); // Reported below, unless the primary's own count fails first.
    let count: number;
    try {
      count = await countPrimary();
    } catch (error) {
      if (!this.#side.parts.readsWhenPrimaryDown || !isPrimaryAway(error)) throw error;
      const alone = read.primaryFailed();
      const own = await this.#share(alone, namespace, condition, signal);
      if (own === null) throw error;
      return { answer: { count: own.count, estimate: !own.isComplete }, sources: alone.end() };
    }
    const added = await share;
    const answer = { count: count + (added?.count ?? 0), estimate: added !== null && !added.isComplete };
    return { answer, sources: read.end() };
  }

  /** Null: the replica does not take part. */
  async #share(
    read: MergedRead,
    namespace: string,
    condition: Condition,
    signal: AbortSignal,
  ): Promise<ReplicaShare | null> {
    const { archive } = this.#side.parts;
    let after: ScanPlace | null = null;
    let count = 0;
    for (let looked = 0; looked < ROWS_MAX; ) {
      if (looked > 0 && !read.hasTime) break;
      const query: ReplicaQuery = {
        namespace,
        condition,
        after,
        archive,
        rowsMax: STEP_ROWS,
        sortField: null,
        isDescending: false,
      };
      const step: ReplicaPage | null = await read.ask((reads, deadline) => reads.listRows(query, deadline));
      if (step === null) return looked > 0 && !signal.aborted ? { count, isComplete: false } : null;
      count += (await read.judge(namespace, step, step.rows)).length;
      if (!read.takesPart) return null;
      if (step.scanned < STEP_ROWS || step.last === null) return { count, isComplete: true };
      looked += step.scanned;
      after = step.last;
    }
    return { count, isComplete: false };
  }
}
