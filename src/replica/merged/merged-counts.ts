import type { Condition } from "../../domain/filter/filter.ts";
import type { ScanPlace } from "../../ledger/find-statements.ts";
import type { CountedStretch } from "../../read/finder.ts";
import type { MemoryCount } from "../../read/list-options.ts";
import type { Merged } from "./merged-gets.ts";
import { MergedRead } from "./merged-read.ts";
import { RecentRows } from "./recent-rows.ts";
import type { ReplicaSide } from "./replica-side.ts";
import { EXPIRING_MS, type PrimaryRow, type PrimarySince, type ReplicaPage, type ReplicaQuery } from "./sides.ts";
import { isPrimaryAway } from "./whose-failure.ts";

/** Rows of a step on the replica, each of which is looked up in the primary. */
const STEP_ROWS = 2_000;
/** Rows of the replica that one count looks at, at most. */
const ROWS_MAX = 100_000;

/** Counts the primary, and tells of each part of the namespace once it is counted. */
export type CountPrimary = (onStretch: (stretch: CountedStretch) => void) => Promise<number>;

interface ReplicaShare {
  readonly rows: RecentRows;
  /** Whether the replica was looked at to its end. */
  readonly isComplete: boolean;
  /** When the primary was first asked about rows of the replica. */
  readonly askedAt: number;
}

/** One count. */
interface Counting {
  readonly namespace: string;
  readonly condition: Condition;
  readonly signal: AbortSignal;
  /** The moment of the primary's first stretch; null: the primary is not counted, or nothing of it can expire into the count. */
  readonly since: Promise<PrimarySince | null>;
}

/**
 * Counts over both sides: the primary's count, and the memories that the replica alone has. Each row of the replica is looked up in
 * the primary, so the share of the replica is bounded, by rows and by `readTimeoutMs`. Where it was not looked at to its end,
 * the count says that it is an estimate: it is one from below. A memory that expires meanwhile counts once: see `RecentRows`.
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
    countPrimary: CountPrimary,
    signal: AbortSignal,
  ): Promise<Merged<MemoryCount>> {
    const read = new MergedRead(this.#side, "count", signal);
    const stretches: CountedStretch[] = [];
    let begun: (since: PrimarySince | null) => void = () => undefined;
    // Without the archive the replica shows what the primary does not know, which cannot have expired there meanwhile.
    const since = this.#side.parts.archive
      ? new Promise<PrimarySince | null>((resolve) => {
          begun = resolve;
        })
      : Promise.resolve(null);
    const share = this.#share(read, { namespace, condition, signal, since });
    share.catch(() => undefined); // Reported below, unless the primary's own count fails first.
    let count: number;
    try {
      count = await countPrimary((stretch) => {
        stretches.push(stretch);
        begun(stretch);
      });
    } catch (error) {
      if (!this.#side.parts.readsWhenPrimaryDown || !isPrimaryAway(error)) throw error;
      const alone = read.primaryFailed();
      const own = await this.#share(alone, { namespace, condition, signal, since: Promise.resolve(null) });
      if (own === null) throw error;
      return { answer: { count: own.rows.settled, estimate: !own.isComplete }, sources: alone.end() };
    } finally {
      begun(null);
    }
    const added = await share;
    const own = added === null ? null : await this.#settled(read, namespace, added, stretches);
    if (own === null) return { answer: { count, estimate: false }, sources: read.end() };
    return { answer: { count: count + own.count, estimate: !own.isComplete }, sources: read.end() };
  }

  /** Decides about what changed while the primary was counted. Null: the replica does not take part any more. */
  async #settled(
    read: MergedRead,
    namespace: string,
    { rows, isComplete, askedAt }: ReplicaShare,
    stretches: readonly CountedStretch[],
  ): Promise<{ count: number; isComplete: boolean } | null> {
    const { primary, now } = this.#side.parts;
    const wanted = rows.moments(stretches);
    const counted =
      wanted.length === 0
        ? new Map<string, PrimaryRow>()
        : await read.askPrimary((signal) => primary.asOf(namespace, wanted, signal));
    if (counted === null) return null;
    // A count that takes longer than this may have met expiries that were not looked for.
    const isInTime = !this.#side.parts.archive || now() - askedAt < EXPIRING_MS;
    return { count: rows.settled + rows.added(counted), isComplete: isComplete && isInTime };
  }

  /** Null: the replica does not take part. */
  async #share(read: MergedRead, counting: Counting): Promise<ReplicaShare | null> {
    const { namespace, condition, signal } = counting;
    const { archive, now } = this.#side.parts;
    const rows = new RecentRows(archive);
    let after: ScanPlace | null = null;
    let askedAt = Number.POSITIVE_INFINITY;
    for (let looked = 0; looked < ROWS_MAX && !rows.isFull; ) {
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
      if (step === null) return looked > 0 && !signal.aborted ? { rows, isComplete: false, askedAt } : null;
      const since = await counting.since;
      askedAt = Math.min(askedAt, now());
      await this.#judge(read, namespace, step, { since, rows });
      if (!read.takesPart) return null;
      if (step.scanned < STEP_ROWS || step.last === null) return { rows, isComplete: !rows.isFull, askedAt };
      looked += step.scanned;
      after = step.last;
    }
    return { rows, isComplete: false, askedAt };
  }

  async #judge(
    read: MergedRead,
    namespace: string,
    step: ReplicaPage,
    { since, rows }: { since: PrimarySince | null; rows: RecentRows },
  ): Promise<void> {
    if (since === null || step.rows.length === 0) {
      rows.settled += (await read.judge(namespace, step, step.rows)).length;
      return;
    }
    const ids = step.rows.map(({ memoryId }) => memoryId);
    const facts = await read.facts(namespace, step.standing, ids, since);
    if (facts !== null) rows.take(step.rows, facts);
  }
}
