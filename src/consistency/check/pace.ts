import { monitorEventLoopDelay } from "node:perf_hooks";
import { pause as realPause } from "../../runtime/deadline.ts";

/** How busy everything else is. */
export interface Load {
  /** Milliseconds by which timers of this process came late since the last look, at worst. */
  readonly eventLoopDelayMs: number;
  /** Callers that wait for a connection to Postgres. */
  readonly postgresWaiting: number;
}

export interface PaceOptions {
  /** Null: as fast as it goes. */
  readonly memoriesPerSecondMax: number | null;
  /** From this much on the process counts as busy. @default 50 */
  readonly eventLoopDelayMaxMs?: number;
  readonly load: () => Load;
  /** Ends what measures the load. */
  readonly end?: () => void;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const PAUSE_MIN_MS = 20;
/** A check gets its turn at least this often, however busy the rest is: otherwise it would never end. */
const PAUSE_MAX_MS = 1_000;

/** Slows a check down: to a rate, and while the process or Postgres has better things to do. */
export class Pace {
  readonly #options: Required<PaceOptions>;
  /** When the memories taken so far may have been taken at the earliest, by the clock. */
  #dueAt: number;
  #busyPauseMs = 0;

  constructor(options: PaceOptions) {
    this.#options = {
      eventLoopDelayMaxMs: 50,
      clock: () => performance.now(),
      pause: realPause,
      end: () => undefined,
      ...options,
    };
    this.#dueAt = this.#options.clock();
  }

  /** Waits as long as is due after `memories` were compared; no longer than the signal allows. */
  async turn(memories: number, signal: AbortSignal): Promise<void> {
    const { memoriesPerSecondMax, clock, pause } = this.#options;
    let waitMs = this.#politenessMs();
    if (memoriesPerSecondMax !== null) {
      const now = clock();
      // What was not used is lost: no burst follows a pause.
      this.#dueAt = Math.max(this.#dueAt, now) + (memories * 1_000) / memoriesPerSecondMax;
      waitMs = Math.max(waitMs, this.#dueAt - now);
    }
    if (waitMs > 0) await pause(waitMs, signal);
  }

  /** No timer is left afterwards. */
  end(): void {
    this.#options.end();
  }

  #politenessMs(): number {
    const { eventLoopDelayMs, postgresWaiting } = this.#options.load();
    const busy = eventLoopDelayMs > this.#options.eventLoopDelayMaxMs || postgresWaiting > 0;
    this.#busyPauseMs = busy ? Math.min(PAUSE_MAX_MS, Math.max(PAUSE_MIN_MS, this.#busyPauseMs * 2)) : 0;
    return this.#busyPauseMs;
  }
}

/** Measures how late timers come. Costs a timer every 10 ms while it runs, which `stop` ends. */
export class EventLoopWatch {
  readonly #histogram = monitorEventLoopDelay({ resolution: 10 });

  constructor() {
    this.#histogram.enable();
  }

  /** Milliseconds by which timers came late since the last call, at worst. */
  worstMs(): number {
    const worst = this.#histogram.max / 1e6;
    this.#histogram.reset();
    // The histogram counts the interval itself too; before its first sample it is 0.
    return Math.max(0, worst - 10);
  }

  stop(): void {
    this.#histogram.disable();
  }
}
