import { CALL_SECONDS, type MetricBase } from "../runtime/metric-base.ts";
import { SYNC_STATUSES, type SyncStatus } from "./outcome.ts";

/** Calls that `sync_total` and `sync_duration_seconds` tell apart. */
export const OPERATIONS = ["sync_memory", "sync_batch", "delete", "patch", "rollback", "rollback_transaction"] as const;
export type Operation = (typeof OPERATIONS)[number];

const SIZES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];

/** Metrics of the write path. */
export class WriteMetrics {
  readonly #syncs;
  readonly #seconds;
  readonly #batchSize;

  constructor(base: MetricBase) {
    const help = "Memories written or deleted, by what became of them";
    this.#syncs = base.counter("sync_total", help, ["operation", "outcome"]);
    this.#seconds = base.histogram("sync_duration_seconds", "Duration of writing calls", CALL_SECONDS, ["operation"]);
    this.#batchSize = base.histogram("batch_size", "Memories per transaction", SIZES);
    for (const operation of OPERATIONS) {
      for (const outcome of SYNC_STATUSES) this.#syncs.inc({ operation, outcome }, 0);
    }
  }

  /** Runs a call that writes, and counts its outcomes; a rejection counts as one failure. */
  async measured<T>(operation: Operation, work: () => Promise<T>, statusesOf: (result: T) => readonly SyncStatus[]) {
    const startedAt = performance.now();
    // Without `timed`, and without `finally` of a promise: a single write goes through as few promises as it can.
    try {
      const result = await work();
      this.#count(operation, statusesOf(result));
      return result;
    } catch (error) {
      this.#syncs.inc({ operation, outcome: "failed" });
      throw error;
    } finally {
      this.#seconds.observe({ operation }, (performance.now() - startedAt) / 1_000);
    }
  }

  /** One look-up of a labelled counter costs a microsecond: one per outcome, not one per memory. */
  #count(operation: Operation, statuses: readonly SyncStatus[]): void {
    const [only] = statuses;
    if (only !== undefined && statuses.length === 1) {
      this.#syncs.inc({ operation, outcome: only });
      return;
    }
    const tally = new Map<SyncStatus, number>();
    for (const status of statuses) tally.set(status, (tally.get(status) ?? 0) + 1);
    for (const [status, count] of tally) this.#syncs.inc({ operation, outcome: status }, count);
  }

  transactionBegun(memories: number): void {
    this.#batchSize.observe(memories);
  }
}
