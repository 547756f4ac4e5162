import type { ReadSources, ReplicaSource } from "../../read/read-sources.ts";
import { untilAborted } from "../../runtime/deadline.ts";
import { LinkedAbort } from "../../runtime/linked-abort.ts";
import type { MergedOperation } from "./metrics.ts";
import { LINGER_MS, type ReplicaSide } from "./replica-side.ts";
import type { PrimaryFacts, PrimarySince, ReplicaReads, ReplicaRow, ReplicaRows, ReplicaStanding } from "./sides.ts";
import { BEHIND, fits, isShownAlone, isShownBy } from "./verdict.ts";
import { countsAgainstReplica, isPrimaryAway } from "./whose-failure.ts";

/**
 * One read that may merge both sides. The replica takes part until it fails, takes longer than `readTimeoutMs` from the
 * read's start, or turns out not to fit; from then on the read goes on without it. The primary has as long to say what it knows
 * of the replica's memories, from the question on.
 *
 *   ok ──no answer in time, or an error, of the replica or of the primary about it──► unavailable
 *   ok ──another epoch, or behind the pruned tombstones──► behind
 *   ok ──asks nothing of the replica──► off
 */
export class MergedRead {
  readonly #side: ReplicaSide;
  readonly #operation: MergedOperation;
  readonly #signal: AbortSignal;
  readonly #beganAt: number;
  #replica: ReplicaSource = "ok";
  #reason: string | null = null;
  #isPrimaryAway = false;
  #hasAsked = false;

  /** Begins a read: from now on the replica has `readTimeoutMs`. */
  constructor(side: ReplicaSide, operation: MergedOperation, signal: AbortSignal) {
    this.#side = side;
    this.#operation = operation;
    this.#signal = signal;
    this.#beganAt = side.parts.now();
    if (!side.allows()) this.#leave("unavailable", "it failed lately, and is probed");
  }

  /** Whether the replica still takes part. */
  get takesPart(): boolean {
    return this.#replica === "ok";
  }

  /** The primary did not answer: the replica is asked alone, and has its time from now on. */
  primaryFailed(): MergedRead {
    const alone = new MergedRead(this.#side, this.#operation, this.#signal);
    alone.#isPrimaryAway = true;
    return alone;
  }

  /** This read asks nothing of the replica: e.g. it has no index for it. */
  leaveOff(): void {
    if (this.takesPart) this.#replica = "off";
  }

  /** Asks the replica. Null: it does not take part, or not any more. Never rejects. */
  async ask<T>(work: (reads: ReplicaReads, signal: AbortSignal) => Promise<T>): Promise<T | null> {
    const { reads, readTimeoutMs } = this.#side.parts;
    if (!this.takesPart || this.#signal.aborted) return null;
    this.#hasAsked = true;
    const leftMs = readTimeoutMs - this.#elapsedMs();
    if (leftMs <= 0) {
      // A read that spent its time on its own many steps is no failure of the replica.
      this.#leave("unavailable", this.#late());
      return null;
    }
    const begun = this.#side.begin();
    const asked = await this.#within(leftMs, (signal) => work(reads, signal));
    if (asked === null) return null;
    if ("answer" in asked) {
      this.#side.succeeded();
      return asked.answer;
    }
    const reason = asked.isLate ? this.#late() : asked.error.message;
    if (asked.isLate || countsAgainstReplica(asked.error)) {
      this.#side.failed(new Error(reason, { cause: asked.error }), begun);
    }
    this.#leave("unavailable", reason);
    return null;
  }

  /**
   * Asks the index over the replica, which is a store of its own: how it fares says nothing of the replica. Null: it is left out
   * of this read. Never rejects.
   */
  async askIndex<T>(work: (signal: AbortSignal) => Promise<T | null>): Promise<T | null> {
    const leftMs = this.#side.parts.readTimeoutMs - this.#elapsedMs();
    if (!this.takesPart || this.#signal.aborted) return null;
    const asked = leftMs > 0 ? await this.#within(leftMs, work) : null;
    if (asked !== null && "answer" in asked) return asked.answer;
    if (this.#signal.aborted) return null;
    const reason = asked === null || asked.isLate ? this.#late() : asked.error.message;
    this.#side.parts.log.debug({ error: reason }, "replica.index_left_out");
    this.leaveOff();
    return null;
  }

  /** Runs a question for so long. Null: the caller gave up, or its own time is over. */
  async #within<T>(
    milliseconds: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<{ readonly answer: T } | { readonly error: Error; readonly isLate: boolean } | null> {
    const abort = new LinkedAbort(this.#signal, milliseconds);
    const lasting = new LinkedAbort(this.#signal, LINGER_MS);
    const question = (async () => await work(lasting.signal))(); // A throw of it counts as its rejection.
    try {
      // Raced: a driver that is slow to notice its signal must not hold the read up.
      const answer = await untilAborted(question, abort.signal);
      lasting.release();
      return { answer };
    } catch (error) {
      this.#side.linger(question, lasting);
      return this.#signal.aborted ? null : { error: error as Error, isLate: abort.timedOut };
    } finally {
      abort.release();
    }
  }

  /** Whether there is time left to ask the replica again. */
  get hasTime(): boolean {
    return this.takesPart && this.#elapsedMs() < this.#side.parts.readTimeoutMs;
  }

  /**
   * Those of the rows that only the replica showed which may be shown: by the primary's word on each of them, asked now. Call it
   * with the rows of one answer of the replica.
   * @throws what the primary throws, but for its being away: the replica is left out then.
   */
  async judge<Row extends ReplicaRow>(
    namespace: string,
    { standing }: Pick<ReplicaRows, "standing">,
    candidates: readonly Row[],
  ): Promise<readonly Row[]> {
    const { archive } = this.#side.parts;
    if (this.#isPrimaryAway) return candidates.filter((row) => isShownAlone(row, archive));
    if (candidates.length === 0) {
      const isFit = await this.askPrimary((signal) => this.#side.fitsLately(standing, signal));
      if (isFit === false) this.#leave("behind", BEHIND);
      return [];
    }
    const ids = candidates.map(({ memoryId }) => memoryId);
    const facts = await this.facts(namespace, standing, ids);
    if (facts === null) return [];
    return candidates.filter(
      (row) => !facts.refused.has(row.memoryId) && isShownBy(row, facts.rows.get(row.memoryId), archive),
    );
  }

  /**
   * The primary's word on memories of which the replica answered, asked now. Null: the replica does not fit, or the primary
   * says nothing: it may be away, and the read stand on its cache. The read goes on without the replica then.
   * @param since see `PrimaryLookup`.
   */
  async facts(
    namespace: string,
    standing: ReplicaStanding,
    memoryIds: readonly string[],
    since: PrimarySince | null = null,
  ): Promise<PrimaryFacts | null> {
    const facts = await this.askPrimary((signal) => this.#side.lookUp(namespace, memoryIds, since, signal));
    if (facts === null) return null;
    if (fits(standing, facts)) return facts;
    this.#leave("behind", BEHIND);
    return null;
  }

  /**
   * Asks the primary about memories of the replica. Null: it did not answer in time, and the replica is left out of the read.
   * @throws what the primary throws, but for its being away.
   */
  async askPrimary<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    const asked = await this.#within(this.#side.parts.readTimeoutMs, work);
    this.#signal.throwIfAborted();
    if (asked === null) return null;
    if ("answer" in asked) return asked.answer;
    if (!asked.isLate && !isPrimaryAway(asked.error)) throw asked.error;
    this.#leave("unavailable", "the primary did not say in time what it knows of the replica's memories");
    return null;
  }

  /** Ends the read: counts it, and says which sides its answer stands on. */
  end(): ReadSources {
    const sources = this.endPart();
    this.#side.parts.metrics.answered(this.#operation, sources);
    return sources;
  }

  /** As `end`, of a part of a read that its owner counts as one. */
  endPart(): ReadSources {
    const hasNeededNothing = this.takesPart && !this.#hasAsked;
    const replica = hasNeededNothing ? this.#side.state : this.#replica;
    if (hasNeededNothing) this.#side.lookAgain();
    else this.#side.note(this.#replica, this.#reason);
    return { primary: this.#isPrimaryAway ? "unavailable" : "ok", replica };
  }

  /** Counts a time-out, and says it in words. */
  #late(): string {
    const { metrics, readTimeoutMs } = this.#side.parts;
    metrics.timedOut(this.#operation);
    return `no answer within ${readTimeoutMs} ms`;
  }

  #leave(state: "behind" | "unavailable", reason: string): void {
    this.#replica = state;
    this.#reason = reason;
  }

  #elapsedMs(): number {
    return this.#side.parts.now() - this.#beganAt;
  }
}
