import type { StoreId } from "../domain/store-id.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Log } from "../runtime/log.ts";
import type { MetricBase } from "../runtime/metric-base.ts";
import type { GaugeSource } from "../runtime/readings.ts";
import { type LedgerReading, readGauges } from "./gauge-statements.ts";

/** A store whose queue the ledger keeps. */
export interface QueuedStore {
  readonly id: StoreId;
  /** Milliseconds by which a store of this node is behind the feed, where it knows. */
  readonly lagMs?: number | null | undefined;
}

export interface LedgerMetricsOptions {
  readonly postgres: PostgresAccess;
  readonly nodeId: string;
  readonly stores: readonly QueuedStore[];
  /** Told what each reading says of the last clean check: seconds since 1970, 0 for never. */
  readonly onLastCleanCheck: (secondsSince1970: number) => void;
  readonly log: Log;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

const QUEUE_STATES = ["pending", "failed", "dead"] as const;

/**
 * Gauges that only the ledger knows: the queues of the stores and the change feed. When the ledger does not answer, the
 * last values stay, and `readings_age_seconds` says how old they are.
 */
export class LedgerMetrics implements GaugeSource {
  readonly #options: LedgerMetricsOptions;
  readonly #now: () => number;
  readonly #queueDepth;
  readonly #queueAge;
  readonly #lag;
  readonly #horizon;
  readonly #unpublished;
  readonly #epochs;
  readonly #age;
  #readAt: number;

  constructor(base: MetricBase, options: LedgerMetricsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#readAt = this.#now();
    this.#queueDepth = base.gauge("queue_depth", "Memories waiting to be published", ["store", "state"]);
    this.#queueAge = base.gauge("queue_oldest_age_seconds", "Age of the oldest memory waiting", ["store"]);
    this.#lag = base.gauge("store_lag_seconds", "Age of the oldest commit a store may lack", ["store"]);
    this.#horizon = base.gauge("feed_horizon_age_seconds", "Age of the oldest writing transaction");
    this.#unpublished = base.gauge("transactions_unpublished", "Committed and not confirmed yet");
    this.#epochs = base.gauge("ledger_epochs", "Histories of the ledger: rises when the database went back");
    this.#age = base.gauge("readings_age_seconds", "Age of the gauges read from the ledger");
  }

  async read(signal: AbortSignal): Promise<void> {
    const { postgres, nodeId, log } = this.#options;
    try {
      this.#set(await postgres.use(signal, ({ sql }) => readGauges(sql, nodeId)));
      this.#readAt = this.#now();
    } catch (error) {
      log.debug({ error: (error as Error).message }, "metrics.ledger_not_read");
    }
  }

  show(): void {
    this.#age.set((this.#now() - this.#readAt) / 1_000);
  }

  #set(reading: LedgerReading): void {
    const { queues, transactionsUnpublished, oldestUnpublishedAgeSeconds } = reading;
    for (const { id: store, lagMs } of this.#options.stores) {
      const own = queues.filter((queue) => queue.store === store);
      for (const state of QUEUE_STATES) {
        this.#queueDepth.set({ store, state }, own.find((queue) => queue.state === state)?.memories ?? 0);
      }
      const waiting = own.filter((queue) => queue.state !== "dead").map((queue) => queue.oldestAgeSeconds);
      this.#queueAge.set({ store }, Math.max(0, ...waiting));
      // A dead letter is missing in its store too, until an operator retries or drops it.
      const lacking = own.map((queue) => queue.oldestAgeSeconds);
      // A store of this node alone learns from the feed what other nodes wrote.
      this.#lag.set({ store }, Math.max((lagMs ?? 0) / 1_000, oldestUnpublishedAgeSeconds, ...lacking));
    }
    this.#unpublished.set(transactionsUnpublished);
    this.#epochs.set(reading.epochs);
    this.#horizon.set(reading.feedHorizonAgeSeconds);
    this.#options.onLastCleanCheck(reading.lastCleanCheckSeconds);
  }
}
