/** Rows of the first step. */
const ROWS_FIRST = 500;
const ROWS_MIN = 50;
const ROWS_MAX = 20_000;
/** Milliseconds that a step should take: below, the next one looks at more rows, far above at fewer. */
const STEP_MS = 50;

/**
 * How many rows the steps of a scan look at, by the time that the steps before took: documents may have a hundred bytes or
 * a megabyte.
 */
export class ScanPace {
  readonly #now: () => number;
  readonly #rowsMax: number;
  readonly #beganAt: number;
  #rows = ROWS_FIRST;
  #scanned = 0;
  #slowestMs = 0;

  /** @param rowsMax rows of all steps. @param now milliseconds of a clock that never goes back. */
  constructor(rowsMax: number, now: () => number) {
    this.#rowsMax = rowsMax;
    this.#now = now;
    this.#beganAt = now();
  }

  /** Runs a step, which looks at `rows` rows at most. */
  async step<Step extends { readonly scanned: number }>(work: () => Promise<Step>): Promise<Step> {
    const beganAt = this.#now();
    const step = await work();
    const tookMs = this.#now() - beganAt;
    this.#scanned += step.scanned;
    this.#slowestMs = Math.max(this.#slowestMs, tookMs);
    if (tookMs < STEP_MS) this.#rows = Math.min(this.#rows * 2, ROWS_MAX);
    else if (tookMs > STEP_MS * 4) this.#rows = Math.max(Math.floor(this.#rows / 2), ROWS_MIN);
    return step;
  }

  /** Rows of the next step. */
  get rows(): number {
    return this.#rows;
  }

  /** Whether another step would pass the budget of rows, or probably the deadline `timeoutMs` after the start. */
  isSpent(timeoutMs: number): boolean {
    // A step that is twice as large may take twice as long, and the answer has to arrive too.
    const leftMs = timeoutMs - (this.#now() - this.#beganAt);
    return this.#scanned >= this.#rowsMax || leftMs < this.#slowestMs * 4;
  }
}
