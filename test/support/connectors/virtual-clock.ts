/** Timers of a simulated service: they run when the test moves the clock, or by real timers. */
export interface SimulatedClock {
  now(): number;
  after(milliseconds: number, task: () => void): void;
}

/** A clock that the test moves. Tasks run in the order of their times. */
export class VirtualClock implements SimulatedClock {
  #now = Date.UTC(2026, 0, 1);
  #tasks: { at: number; order: number; task: () => void }[] = [];
  #order = 0;

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, task: () => void): void {
    this.#tasks.push({ at: this.#now + milliseconds, order: this.#order++, task });
  }

  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      this.#tasks.sort((a, b) => a.at - b.at || a.order - b.order);
      const [next] = this.#tasks;
      if (next === undefined || next.at > end) break;
      this.#tasks.shift();
      this.#now = Math.max(this.#now, next.at);
      next.task();
    }
    this.#now = end;
  }

  /** A process that was killed has no timers. */
  clear(): void {
    this.#tasks = [];
  }
}

/** Real timers, on which time passes `factor` times as fast. */
export function fastClock(factor: number): SimulatedClock {
  const begin = Date.now();
  return {
    now: () => begin + (Date.now() - begin) * factor,
    after: (milliseconds, task) => void setTimeout(task, milliseconds / factor).unref(),
  };
}

export const REAL_CLOCK: SimulatedClock = fastClock(1);
