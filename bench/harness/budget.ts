/**
 * Time that work is planned to take. Nothing is broken off when it is over: whoever has it begins no more than fits, so
 * that a run keeps its time on a slow machine as well, with fewer rounds.
 */
export class Budget {
  readonly #endsAt: number;
  readonly #clock: () => number;

  /** It runs from now on. @param clock milliseconds that never go back. */
  constructor(milliseconds: number, clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#endsAt = clock() + milliseconds;
  }

  get remainingMs(): number {
    return Math.max(0, this.#endsAt - this.#clock());
  }

  /** Whether that much more would end in time. */
  fits(milliseconds: number): boolean {
    return milliseconds <= this.remainingMs;
  }

  /**
   * For the first of `count` pieces of work that are still to be done: an equal part of what remains. What that one
   * leaves over is there for the others.
   */
  part(count: number): Budget {
    return new Budget(this.remainingMs / count, this.#clock);
  }
}
