import { backoffCeilingMs } from "./backoff.ts";
import { pause } from "./deadline.ts";
import type { Log } from "./log.ts";
import { Lifecycle, type Service, type ServiceStatus } from "./service.ts";

export interface LoopOptions {
  /** Names the loop in logs and reports. */
  readonly name: string;
  /** Milliseconds from the end of one pass to the start of the next. */
  readonly intervalMs: number;
  /**
   * Milliseconds from the start of the loop to the first pass, at most `intervalMs`; `wake` cuts them short. For work that can
   * wait until a node that starts answers its callers.
   * @default 0
   */
  readonly firstAfterMs?: number;
  /** Does one pass. @returns whether more is waiting: then the next pass follows at once. */
  readonly pass: (signal: AbortSignal) => Promise<boolean>;
  readonly log: Log;
  /** 0 … 1. @default Math.random */
  readonly random?: () => number;
}

/** `firstAfterMs` of background work that nobody waits for: a start has its processor and its connections to itself. */
export const AFTER_START_MS = 500;

/** Longest wait after failed passes, in intervals. */
const BACKOFF_INTERVALS_MAX = 12;

/** Runs a pass again and again, with a rest between two; after failures the rest grows. */
export class Loop implements Service {
  readonly #options: LoopOptions;
  readonly #lifecycle = new Lifecycle();
  #lastError: string | null = null;
  /** Ends the pause under way; replaced for each. */
  #waking = new AbortController();

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  start(): void {
    this.#lifecycle.start((signal) => this.#run(signal));
  }

  /**
   * Skips the rest of the current interval: the next pass follows at once, and a pass that is running now is followed by
   * another one. The wait after a failed pass is not cut short.
   */
  wake(): void {
    this.#waking.abort();
  }

  /** Resolves once the pass under way has settled and no timer is left. Safe before `start`, and twice. */
  async stop(): Promise<void> {
    const stopped = this.#lifecycle.stop();
    this.wake();
    await stopped;
  }

  status(): ServiceStatus {
    return { state: this.#lifecycle.state, lastError: this.#lastError };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { name, intervalMs, firstAfterMs = 0, pass, log, random = Math.random } = this.#options;
    let failures = 0;
    if (firstAfterMs > 0) await pause(Math.min(firstAfterMs, intervalMs), this.#waking.signal);
    while (!signal.aborted) {
      let waitMs = intervalMs;
      this.#waking = new AbortController();
      let cutShort = this.#waking.signal;
      try {
        if (await pass(signal)) waitMs = 0;
        failures = 0;
        this.#lastError = null;
      } catch (error) {
        if (signal.aborted) return; // The pass was rejected because the loop was stopped.
        failures++;
        cutShort = signal;
        this.#lastError = (error as Error).message;
        const longestMs = backoffCeilingMs(failures, {
          baseMs: 2 * intervalMs,
          maxMs: BACKOFF_INTERVALS_MAX * intervalMs,
        });
        // One interval at least: a pass that fails must not run more often than one that succeeds.
        waitMs = Math.min(intervalMs + random() * longestMs, BACKOFF_INTERVALS_MAX * intervalMs);
        log.warn({ loop: name, error: this.#lastError, waitMs: Math.round(waitMs) }, "loop.pass_failed");
      }
      await pause(waitMs, cutShort);
    }
  }
}
