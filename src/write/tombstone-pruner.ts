import { shortestTombstoneMs } from "../ledger/retention.ts";
import type { RetentionRules } from "../ledger/retention-statements.ts";
import type { TombstoneLedger } from "../ledger/tombstone-ledger.ts";

/** Milliseconds between two passes: a tombstone that was kept for days may be kept for some minutes more. */
const INTERVAL_MS = 600_000;
/** Tombstones that one transaction takes. */
const BATCH_SIZE = 500;

export interface TombstonePrunerParts {
  readonly ledger: Pick<TombstoneLedger, "pruneTombstones">;
  readonly rules: RetentionRules;
  /** Milliseconds for which a device that does not call keeps tombstones that it was not told of. */
  readonly deviceHoldMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
}

/** Forgets memories that ended long ago, in batches, a pass every ten minutes. */
export class TombstonePruner {
  readonly #parts: TombstonePrunerParts;
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(parts: TombstonePrunerParts) {
    this.#parts = parts;
  }

  /** One batch, when a pass is due. @returns whether more may be waiting. */
  async runOnce(signal: AbortSignal): Promise<boolean> {
    const { ledger, rules, deviceHoldMs, clock } = this.#parts;
    if (shortestTombstoneMs(rules) === null || clock() < this.#nextAt) return false;
    const { pruned, raised } = await ledger.pruneTombstones(rules, deviceHoldMs, BATCH_SIZE, signal);
    if (pruned > 0 || raised > 0) return true;
    this.#nextAt = clock() + INTERVAL_MS;
    return false;
  }
}
