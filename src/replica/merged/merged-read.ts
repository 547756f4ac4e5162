import { DeadlineExceededError } from "../../domain/errors.ts";
import type { ReadSources, ReplicaSource } from "../../read/read-sources.ts";
import { isTimeout, untilAborted } from "../../runtime/deadline.ts";
import { LinkedAbort } from "../../runtime/linked-abort.ts";
import type { MergedOperation } from "./metrics.ts";
import { LINGER_MS, type ReplicaSide } from "./replica-side.ts";
import type { PrimaryFacts, ReplicaReads, ReplicaRow, ReplicaRows, ReplicaStanding } from "./sides.ts";
import { fits, isShownAlone, isShownBy } from "./verdict.ts";

/**
 * One read that may merge both sides. The replica takes part until it fails, takes longer than `readTimeoutMs` from the
 * read's start, or turns out not to fit; from then on the read goes on without it.
 *
 *   ok ──no answer in time, or an error──► unavailable
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
    if (!this.takesPart || this.#signal.aborted) return null;
    const { reads, readTimeoutMs, metrics } = this.#side.parts;
    const leftMs = readTimeoutMs - this.#elapsedMs();
    this.#hasAsked = true;
    const abort = new LinkedAbort(this.#signal, Math.max(0, leftMs));
    const lasting = new LinkedAbort(this.#signal, LINGER_MS);
    let question: Promise<T> | null = null;
    try {
      if (leftMs <= 0) throw new DeadlineExceededError(`a read of the replica`, readTimeoutMs);
      // Raced: a driver that is slow to notice its signal must not hold the read up.
      question = work(reads, lasting.signal);
      const answer = await untilAborted(question, abort.signal);
      lasting.release();
      this.#side.succeeded();
      return answer;
    } catch (error) {
      if (question === null) lasting.release();
      else this.#side.linger(question, lasting);
      if (this.#signal.aborted) return null; // The caller gave up, or its own time is over.
      const isLate = leftMs <= 0 || (abort.signal.aborted && isTimeout(abort.signal));
      if (isLate) metrics.timedOut(this.#operation);
      const reason = isLate ? `no answer within ${readTimeoutMs} ms` : (error as Error).message;
      // A read that spent its time on its own many steps is no failure of the replica.
      if (leftMs > 0) this.#side.failed(new Error(reason, { cause: error }));
      this.#leave("unavailable", reason);
      return null;
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
   * @throws what the primary throws.
   */
  async judge<Row extends ReplicaRow>(
    namespace: string,
    { standing }: Pick<ReplicaRows, "standing">,
    candidates: readonly Row[],
  ): Promise<readonly Row[]> {
    const { archive } = this.#side.parts;
    if (this.#isPrimaryAway) return candidates.filter((row) => isShownAlone(row, archive));
    if (candidates.length === 0) {
      if (!(await this.#side.fitsLately(standing, this.#signal))) this.#leave("behind", BEHIND);
      return [];
    }
    const ids = candidates.map(({ memoryId }) => memoryId);
    const facts = await this.facts(namespace, standing, ids);
    if (facts === null) return [];
    return candidates.filter(
      (row) => !facts.refused.has(row.memoryId) && isShownBy(row, facts.rows.get(row.memoryId), archive),
    );
  }

  /** The primary's word on memories of which the replica answered, asked now. Null: the replica does not fit. */
  async facts(
    namespace: string,
    standing: ReplicaStanding,
    memoryIds: readonly string[],
  ): Promise<PrimaryFacts | null> {
    const facts = await this.#side.lookUp(namespace, memoryIds, this.#signal);
    if (fits(standing, facts)) return facts;
    this.#leave("behind", BEHIND);
    return null;
  }

  /** Ends the read: counts it, and says which sides its answer stands on. */
  end(): ReadSources {
    // A read that needed nothing of the replica tells how it stood for the last one that did.
    const replica = this.takesPart && !this.#hasAsked ? this.#side.state : this.#replica;
    const sources: ReadSources = { primary: this.#isPrimaryAway ? "unavailable" : "ok", replica };
    if (this.#hasAsked || !this.takesPart) this.#side.note(this.#replica, this.#reason);
    this.#side.parts.metrics.answered(this.#operation, sources);
    return sources;
  }

  #leave(state: "behind" | "unavailable", reason: string): void {
    this.#replica = state;
    this.#reason = reason;
  }

  #elapsedMs(): number {
    return this.#side.parts.now() - this.#beganAt;
  }
}

const BEHIND = "its epoch does not fit, or it has not followed up to the newest tombstone that the primary pruned";
