import { ConfigurationError, EpochChangedError, SchemaTooNewError } from "../domain/errors.ts";
import { backoffCeilingMs } from "../runtime/backoff.ts";
import { pause } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import { Lifecycle, type Service, type ServiceStatus } from "../runtime/service.ts";
import type { ErasureConfirmer } from "./erasure-confirmer.ts";
import type { ReplicationState } from "./events.ts";
import { FencedError } from "./fenced-error.ts";
import type { Hint } from "./hint.ts";
import type { LetterRetries } from "./letters.ts";
import { TooManyRefusedError } from "./refusals.ts";
import type { Replicator } from "./replicator.ts";
import type { ReplicaSettings } from "./settings.ts";

export interface ReplicationParts {
  readonly replicator: Replicator;
  readonly hint: Hint;
  readonly letters: LetterRetries;
  readonly erasures: ErasureConfirmer;
  /** Makes the database the replica. @throws {ConfigurationError} */
  readonly prepare: (signal: AbortSignal) => Promise<void>;
  readonly isPaused: (signal: AbortSignal) => Promise<boolean>;
  /** Keeps proof of the primary's history in the replica, from time to time. */
  readonly keepProof: (signal: AbortSignal) => Promise<void>;
  /** Hears of news in the feed, as far as they are signalled. @returns ends it. */
  readonly subscribe: (onNews: () => void) => () => void;
  readonly listen: (signal: AbortSignal) => Promise<unknown>;
  readonly settings: Pick<ReplicaSettings, "reconnectBackoffMs" | "healthCheckIntervalMs">;
  readonly log: Log;
  readonly onState: (state: ReplicationState, reason: string | null) => void;
  /** 0 … 1. @default Math.random */
  readonly random?: () => number;
}

/** Milliseconds between two looks at the feed, since a signal may get lost, or come before its change can be seen. */
const LOOK_MS = 1_000;
/** Milliseconds between two questions for the lease that another node has. */
const STANDBY_MS = 5_000;
/** The longest wait after failures, in first waits. */
const BACKOFFS_MAX = 12;
/** Milliseconds for letting another node replicate, at the end. Its lease runs out anyway. */
const RELEASE_MS = 2_000;

/** Replicates in the background: one node at a time, and again by itself after each outage. See `ReplicationState`. */
export class Replication implements Service {
  readonly name = "replica";
  readonly #parts: ReplicationParts;
  readonly #lifecycle = new Lifecycle();
  #unsubscribe: (() => void) | null = null;
  #state: ReplicationState = "starting";
  #reason: string | null = null;
  #isPrepared = false;
  #failures = 0;
  #waking = new AbortController();

  constructor(parts: ReplicationParts) {
    this.#parts = parts;
  }

  get state(): ReplicationState {
    return this.#state;
  }

  /** Why replication does not go on; null while it does. */
  get reason(): string | null {
    return this.#reason;
  }

  start(): void {
    if (this.#lifecycle.state !== "idle") return;
    this.#unsubscribe = this.#parts.subscribe(() => {
      // While another node replicates, or it is paused, changes are no reason to ask for the lease more often.
      const isResting = this.#state === "standby" || this.#state === "paused";
      if (this.#failures === 0 && !isResting) this.#waking.abort();
    });
    this.#lifecycle.start((signal) => this.#run(signal));
  }

  /** Skips the wait under way, a backoff too: the replica was seen to be back, or an operator asked. */
  wake(): void {
    this.#waking.abort();
  }

  async stop(): Promise<void> {
    const wasRunning = this.#lifecycle.state === "running";
    this.#unsubscribe?.();
    const stopped = this.#lifecycle.stop();
    this.#waking.abort();
    await stopped;
    if (!wasRunning) return;
    await this.#parts.hint.release(AbortSignal.timeout(RELEASE_MS)).catch((error: Error) => {
      this.#parts.log.debug({ error: error.message }, "replica.lease_not_released");
    });
  }

  status(): ServiceStatus {
    return { state: this.#lifecycle.state, lastError: this.#reason };
  }

  /** One pass, without timers. @returns milliseconds after which the next one is due. @throws what the databases answer. */
  async runOnce(signal: AbortSignal): Promise<number> {
    const { hint, isPaused, prepare, replicator, letters, erasures, keepProof } = this.#parts;
    await erasures.register(signal);
    if (!(await hint.lease(signal))) return this.#rest("standby", STANDBY_MS);
    if (await isPaused(signal)) return this.#rest("paused", LOOK_MS);
    if (!this.#isPrepared) {
      await prepare(signal);
      this.#isPrepared = true;
    }
    const pass = await replicator.runOnce(signal);
    if (!pass.complete) return 0;
    this.note("following", null);
    const fence = replicator.fence;
    const moreLetters = await letters.runOnce(fence, signal);
    const moreErasures = await erasures.runOnce(fence, signal);
    await keepProof(signal);
    return moreLetters || moreErasures ? 0 : LOOK_MS;
  }

  /** Notes what is being done: one log line per change. */
  note(state: ReplicationState, reason: string | null): void {
    const hasChanged = state !== this.#state;
    const before = this.#state;
    this.#state = state;
    this.#reason = reason;
    if (!hasChanged) return;
    const isTrouble = state === "unavailable" || state === "refused";
    this.#parts.log[isTrouble ? "warn" : "info"]({ from: before, to: state, reason }, "replica.state_changed");
    this.#parts.onState(state, reason);
  }

  #rest(state: ReplicationState, waitMs: number): number {
    this.note(state, null);
    return waitMs;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#waking = new AbortController();
      let waitMs: number;
      try {
        await this.#parts.listen(signal).catch((error: Error) => {
          if (!signal.aborted) this.#parts.log.debug({ error: error.message }, "feed.not_listening");
        });
        waitMs = await this.runOnce(signal);
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        waitMs = this.#failed(error as Error);
      }
      await pause(waitMs, this.#waking.signal);
    }
  }

  /** @returns milliseconds before the next attempt. */
  #failed(error: Error): number {
    const { settings, random = Math.random } = this.#parts;
    if (error instanceof FencedError || error instanceof EpochChangedError) {
      this.#parts.log.info({ error: error.message }, "replica.pass_ended");
      return LOOK_MS;
    }
    this.#failures++;
    this.#isPrepared = false; // What comes back may be another database.
    if (
      error instanceof ConfigurationError ||
      error instanceof SchemaTooNewError ||
      error instanceof TooManyRefusedError
    ) {
      this.note("refused", error.message);
      return settings.healthCheckIntervalMs;
    }
    this.note("unavailable", error.message);
    const { reconnectBackoffMs: baseMs } = settings;
    const longestMs = backoffCeilingMs(this.#failures, { baseMs, maxMs: BACKOFFS_MAX * baseMs });
    return Math.min(baseMs / 2 + random() * longestMs, BACKOFFS_MAX * baseMs);
  }
}
