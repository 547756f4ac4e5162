/** Milliseconds for which a run may be found in the ledger: longer than the longest lease and a statement's deadline. */
const KEPT_MS = 600_000;
/** Runs at a time, at most. The oldest are forgotten: their leases end by themselves. */
const KEPT_MAX = 256;

/**
 * Runs that were named to the ledger and never began here, because the answer was lost. The ledger may have given them jobs,
 * now or once a statement that it still works on is committed. A run that began and whose end was lost is none of these:
 * its work may be done, and its job is left to its lease.
 */
export class UnbegunRuns {
  readonly #namedAt = new Map<string, number>();
  readonly #now: () => number;

  /** @param now milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The runs, the oldest first. */
  get ids(): readonly string[] {
    for (const [id, namedAt] of this.#namedAt) {
      if (this.#now() - namedAt < KEPT_MS) break;
      this.#namedAt.delete(id);
    }
    return [...this.#namedAt.keys()];
  }

  add(ids: readonly string[]): void {
    for (const id of ids) this.#namedAt.set(id, this.#now());
    for (const id of this.#namedAt.keys()) {
      if (this.#namedAt.size <= KEPT_MAX) break;
      this.#namedAt.delete(id);
    }
  }
}
