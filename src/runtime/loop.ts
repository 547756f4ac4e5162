import { pause } from "./deadline.ts";
import type { Log } from "./log.ts";

export interface LoopOptions {
  /** Names the loop in the log. */
  readonly name: string;
  /** Milliseconds from the end of one pass to the start of the next. */
  readonly intervalMs: number;
  /** Does one pass. @returns whether more is waiting: then the next pass follows at once. */
  readonly pass: (signal: AbortSignal) => Promise<boolean>;
  readonly log: Log;
  /** 0 … 1. @default Math.random */
  readonly random?: () => number;
}

/** Longest wait after passes that failed, in intervals. */
const BACKOFF_INTERVALS_MAX = 12;

/** idle ──start──► running ──stop──► draining ──pass settled──► stopped (final) */
export class Loop {
  readonly #options: LoopOptions;
  readonly #stopping = new AbortController();
  #done: Promise<void> | null = null;
  /** Ends the pause under way; replaced for each. */
  #waking = new AbortController();

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#done !== null && !this.#stopping.signal.aborted;
  }

  /** Twice is once. */
  start(): void {
    this.#done ??= this.#run(this.#stopping.signal);
  }

  /**
   * The next pass follows at once, and not after the interval; one that runs now is followed by another one. The wait
   * after a pass that failed is not cut short.
   */
  wake(): void {
    this.#waking.abort();
  }

  /** Resolves once the pass under way is settled and no timer is left. Safe before `start`, and twice. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#done;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { name, intervalMs, pass, log, random = Math.random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      let waitMs = intervalMs;
      this.#waking = new AbortController();
      let cutShort = this.#waking.signal;
      try {
        if (await pass(signal)) waitMs = 0;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return; // Our own abort, surfacing as a rejection.
        failures++;
        cutShort = signal;
        waitMs = intervalMs * Math.min(2 ** failures * random() + 1, BACKOFF_INTERVALS_MAX);
        log.warn({ loop: name, error: (error as Error).message, waitMs: Math.round(waitMs) }, "loop.pass_failed");
      }
      await pause(waitMs, cutShort);
    }
  }
}
