import { monitorEventLoopDelay } from "node:perf_hooks";
import { pause as realPause } from "../../runtime/deadline.ts";

/** The load from other work. */
export interface Load {
  /** Milliseconds by which timers of this process were late since the last call, at worst. */
  readonly eventLoopDelayMs: number;
  /** Callers waiting for a connection to Postgres. */
  readonly postgresWaiting: number;
}

export interface PaceOptions {
  /** Null: no limit. */
  readonly memoriesPerSecondMax: number | null;
  /** Timer delay at which the process counts as busy. @default 50 */
  readonly eventLoopDelayMaxMs?: number;
  readonly load: () => Load;
  /** Ends the measurement of the load. */
  readonly end?: () => void;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const PAUSE_MIN_MS = 20;
/** A check proceeds at least this often, however high the load is: otherwise it would never end. */
const PAUSE_MAX_MS = 1_000;

/** Slows a check down: to a rate, and while the process or Postgres is busy. */
export class Pace {
  readonly #options: Required<PaceOptions>;
  /** The earliest time, by the clock, at which the memories so far may have been compared. */
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

  /** Waits for the pause due after `memories` comparisons; returns early when the signal fires. */
  async turn(memories: number, signal: AbortSignal): Promise<void> {
    const { memoriesPerSecondMax, clock, pause } = this.#options;
    let waitMs = this.#politenessMs();
    if (memoriesPerSecondMax !== null) {
      const now = clock();
      // Unused allowance is lost: no burst follows a pause.
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

/** Measures how late timers fire. Costs a timer every 10 ms while it runs, until `stop`. */
export class EventLoopWatch {
  readonly #histogram = monitorEventLoopDelay({ resolution: 10 });

  constructor() {
    this.#histogram.enable();
  }

  /** Milliseconds by which timers were late since the last call, at worst. */
  worstMs(): number {
    const worst = this.#histogram.max / 1e6;
    this.#histogram.reset();
    // The histogram includes the interval itself; before its first sample it is 0.
    return Math.max(0, worst - 10);
  }

  stop(): void {
    this.#histogram.disable();
  }
}
