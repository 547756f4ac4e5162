import type { LedgerStore } from "../ledger/ledger.ts";
import type { Batcher } from "./batcher.ts";
import type { TombstonePruner } from "./tombstone-pruner.ts";

export interface SweeperParts {
  readonly ledger: LedgerStore;
  readonly batcher: Batcher;
  readonly tombstones: Pick<TombstonePruner, "runOnce">;
  /** Replaced versions that are kept per memory. */
  readonly historyVersionsMax: number;
  /** Milliseconds that an ended transaction is remembered. */
  readonly transactionRetentionMs: number;
  /** Milliseconds that an idempotency key is remembered, at least. */
  readonly idempotencyKeyRetentionMs: number;
}

/** Rows looked at in one pass. */
const BATCH_SIZE = 500;
/** Versions looked at in one pass: most of them have nothing to prune. */
const VERSIONS_LOOKED_AT = 2_000;

/** Tombstones expired memories, prunes history and old tombstones, and forgets transactions and idempotency keys of long ago. */
export class Sweeper {
  readonly #parts: SweeperParts;

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  /**
   * One pass. Skips a memory that was written after it was listed: its new version may expire later.
   * @returns how many memories were tombstoned, and whether more may be waiting.
   */
  async runOnce(signal: AbortSignal): Promise<{ expired: number; more: boolean }> {
    const { ledger, batcher, historyVersionsMax, transactionRetentionMs, idempotencyKeyRetentionMs } = this.#parts;
    const due = await ledger.listExpired(BATCH_SIZE, signal);
    const outcomes = await Promise.all(
      due.map(({ namespace, memoryId, version }) =>
        batcher.write(
          { key: { namespace, memoryId }, memory: null, ending: "expired", expectedVersion: version, modifiedAt: null },
          true,
          signal,
        ),
      ),
    );
    const pruned = await ledger.pruneTransactions(transactionRetentionMs, BATCH_SIZE, signal);
    const keys = await ledger.pruneIdempotencyKeys(idempotencyKeyRetentionMs, BATCH_SIZE, signal);
    const history = await ledger.pruneHistory(historyVersionsMax, VERSIONS_LOOKED_AT, signal);
    const expired = outcomes.filter(({ status }) => status === "synced" || status === "degraded").length;
    const tombstones = await this.#parts.tombstones.runOnce(signal);
    const full = [expired, pruned, keys].includes(BATCH_SIZE);
    return { expired, more: full || history.more || tombstones };
  }
}
