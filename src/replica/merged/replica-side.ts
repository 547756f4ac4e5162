import { StoreUnavailableError } from "../../domain/errors.ts";
import type { ProjectionHealth } from "../../domain/store-id.ts";
import type { ReplicaSource } from "../../read/read-sources.ts";
import { untilAborted, withDeadline } from "../../runtime/deadline.ts";
import type { LinkedAbort } from "../../runtime/linked-abort.ts";
import type { Log } from "../../runtime/log.ts";
import { type CallBegin, StoreGate } from "../../write/store-gate.ts";
import { REPLICA_ID } from "../connection.ts";
import type { MergedReadMetrics } from "./metrics.ts";
import type { PrimaryFacts, PrimaryLookup, PrimarySince, ReplicaReads, ReplicaStanding } from "./sides.ts";
import { BEHIND, fits } from "./verdict.ts";

/** Milliseconds for which the primary's epoch and its pruned tombstones count where no row has to be looked up. */
const FACTS_MS = 1_000;

/** Milliseconds between looks at a replica that took no part in the last read that asked it. */
const LOOK_MS = 1_000;

/** Milliseconds that a connection, or a question for which no read waits any more, may take. */
export const LINGER_MS = 10_000;
/** Questions at most for which no read waits any more. */
const LINGERING_MAX = 4;

export interface ReplicaSideParts {
  readonly reads: ReplicaReads;
  readonly primary: PrimaryLookup;
  /** Milliseconds after a read's start, of a history after the primary's answer, until which the replica is waited for. */
  readonly readTimeoutMs: number;
  /** Milliseconds between probes while the replica is left out. */
  readonly healthCheckIntervalMs: number;
  /** Whether memories that expired at the primary are shown. */
  readonly archive: boolean;
  /** Whether the replica answers alone while the primary is away. */
  readonly readsWhenPrimaryDown: boolean;
  readonly metrics: MergedReadMetrics;
  readonly log: Log;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** What all merged reads of a process share: the circuit in front of the replica, and how it stood last. */
export class ReplicaSide {
  readonly parts: ReplicaSideParts;
  readonly #gate: StoreGate<{ id: string; health(signal: AbortSignal): Promise<ProjectionHealth> }>;
  #facts: { readonly facts: PrimaryFacts; readonly until: number } | null = null;
  readonly #closing = new AbortController();
  readonly #lingering = new Set<LinkedAbort>();
  #state: ReplicaSource | null = null;
  #look: Promise<void> | null = null;
  #nextLookAt = Number.NEGATIVE_INFINITY;

  constructor(parts: ReplicaSideParts) {
    this.parts = parts;
    const health = async (): Promise<ProjectionHealth> => {
      try {
        const { signal: closing } = this.#closing;
        await withDeadline(LINGER_MS, closing, (signal) => untilAborted(parts.reads.connect(signal), signal));
        await withDeadline(parts.readTimeoutMs, closing, (signal) =>
          untilAborted(parts.reads.standing(signal), signal),
        );
        return { state: "healthy" };
      } catch (error) {
        return { state: "down", reason: (error as Error).message };
      }
    };
    this.#gate = new StoreGate(
      { id: REPLICA_ID, health },
      {
        probeIntervalMs: parts.healthCheckIntervalMs,
        probeTimeoutMs: LINGER_MS + parts.readTimeoutMs,
        now: parts.now,
      },
    );
  }

  /** Whether reads may ask the replica. While they may not, it is probed beside them. */
  allows(): boolean {
    return this.#gate.allows();
  }

  /** A question to the replica begins: see `StoreGate`. */
  begin(): CallBegin {
    return this.#gate.begin();
  }

  succeeded(): void {
    this.#gate.succeeded();
  }

  failed(error: Error, begun: CallBegin): void {
    this.#gate.failed(new StoreUnavailableError(REPLICA_ID, error.message, { cause: error }), begun);
  }

  /** How the replica stood when it was last asked; `ok` before that. */
  get state(): ReplicaSource {
    return this.#state ?? "ok";
  }

  /** Notes how the replica stood at a read. Each change is one line of the log. */
  note(state: ReplicaSource, reason: string | null): void {
    if (state === "off" || state === this.#state) return;
    const from = this.#state;
    this.#state = state;
    const told = { from, to: state, ...(reason !== null && { reason }) };
    if (state !== "ok") this.parts.log.warn(told, "replica.reads_changed");
    else if (from !== null) this.parts.log.info(told, "replica.reads_changed");
  }

  /**
   * A read that needs nothing of the replica says how it stood last. Where that was not `ok`, it may be over, and no read may ever ask: so
   * the replica is looked at beside the reads, once a second at most. What they wait for does not change.
   */
  lookAgain(): void {
    const isDue = this.state !== "ok" && this.#look === null && this.parts.now() >= this.#nextLookAt;
    if (!isDue || this.#closing.signal.aborted || !this.allows()) return;
    this.#nextLookAt = this.parts.now() + LOOK_MS;
    this.#look = this.#lookNow().finally(() => {
      this.#look = null;
    });
  }

  async #lookNow(): Promise<void> {
    const { reads, readTimeoutMs, log } = this.parts;
    try {
      const isFit = await withDeadline(readTimeoutMs, this.#closing.signal, async (signal) => {
        const standing = await untilAborted(reads.standing(signal), signal);
        return await untilAborted(this.fitsLately(standing, signal), signal);
      });
      this.note(isFit ? "ok" : "behind", isFit ? null : BEHIND);
    } catch (error) {
      log.debug({ error: (error as Error).message }, "replica.look_failed"); // What is said of it stays as it is.
    }
  }

  /** The primary's facts on some memories, as of now. @param since see `PrimaryLookup`. */
  async lookUp(
    namespace: string,
    memoryIds: readonly string[],
    since: PrimarySince | null,
    signal: AbortSignal,
  ): Promise<PrimaryFacts> {
    const facts = await this.parts.primary.lookUp(namespace, memoryIds, since, signal);
    this.#facts = { facts, until: this.parts.now() + FACTS_MS };
    return facts;
  }

  /** Whether a replica of which no row is shown fits: by facts that may be a second old. */
  async fitsLately(standing: ReplicaStanding, signal: AbortSignal): Promise<boolean> {
    const known = this.#facts;
    const facts =
      known !== null && this.parts.now() < known.until ? known.facts : await this.lookUp("", [], null, signal);
    return fits(standing, facts);
  }

  /**
   * Lets a question that its read no longer waits for go on, some seconds at most: an aborted one takes its connection with it, and
   * the next read would wait for a new one again, which may take longer than a read waits. Beyond a few it is aborted.
   */
  linger(question: Promise<unknown>, abort: LinkedAbort): void {
    if (this.#lingering.size >= LINGERING_MAX || this.#closing.signal.aborted) abort.abort();
    this.#lingering.add(abort);
    const end = (): void => {
      abort.release();
      this.#lingering.delete(abort);
    };
    question.then(end, (error: Error) => {
      end();
      this.parts.log.debug({ error: error.message }, "replica.late_answer");
    });
  }

  /** Ends what is done beside the reads. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const abort of this.#lingering) abort.abort();
    await this.idle();
  }

  /** Resolves once no probe and no look is under way. */
  async idle(): Promise<void> {
    await this.#look;
    await this.#gate.idle();
  }
}
