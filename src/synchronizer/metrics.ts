import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type CheckScope, type ConsistencyReport, DRIFT_KINDS } from "../consistency/check/report.ts";
import type { RepairDetail } from "../consistency/repair/repair-options.ts";
import type { StoreId } from "../domain/store-id.ts";
import { METRIC_PREFIX, OPERATIONS, type Operation } from "../runtime/metric-names.ts";
import { processMetrics } from "../runtime/process-metrics.ts";
import type { HealthState } from "../runtime/store-health.ts";
import type { SyncStatus } from "../write/outcome.ts";

/** What the checks, repairs and conflict strategies tell. */
export interface ConsistencyMetrics {
  checkFinished(report: Pick<ConsistencyReport, "findings">, scope: CheckScope, seconds: number): void;
  repairFinished(details: readonly Pick<RepairDetail, "store" | "kind" | "outcome">[]): void;
  /** A store that had lost everything was given so many memories again. */
  refilled(store: StoreId, memories: number): void;
  /** @param outcome what became of the conflict, e.g. `resolved` or `pending`; a small, fixed set of words. */
  conflictResolved(strategy: string, outcome: string): void;
}

const STATUSES: readonly SyncStatus[] = ["synced", "degraded", "unchanged", "conflict", "failed"];
const HEALTH: readonly HealthState[] = ["healthy", "degraded", "down"];

/** Upper bounds, in seconds, of calls that take from half a millisecond to a minute. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** The same for checks, which may take an hour. */
const CHECK_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600];
const SIZES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];

/**
 * What one synchronizer counts and measures. Counters whose labels are known begin at 0, so that the first event shows
 * as an increase.
 */
export class Metrics implements ConsistencyMetrics {
  /** Of this synchronizer alone. Merge it into your own with prom-client's `Registry.merge`. */
  readonly registry = new Registry();
  #refresh: () => Promise<void> = async () => undefined;
  readonly #syncs = this.#counter("sync_total", "Memories written or deleted, by what became of them", [
    "operation",
    "outcome",
  ]);
  readonly #syncSeconds = this.#histogram("sync_duration_seconds", "Duration of writing calls", SECONDS, ["operation"]);
  readonly #batchSize = this.#histogram("batch_size", "Memories per transaction", SIZES);
  readonly #errors = this.#counter("consistency_errors_total", "Differences that checks have proven", [
    "store",
    "kind",
  ]);
  readonly #checkSeconds = this.#histogram("consistency_check_duration_seconds", "Duration of checks", CHECK_SECONDS, [
    "scope",
  ]);
  readonly #lastClean = this.gauge(
    "consistency_last_clean_timestamp_seconds",
    "When a check last found nothing, in seconds since 1970; 0 for never",
  );
  readonly #repairs = this.#counter("repairs_total", "Findings that a repair was tried for", [
    "store",
    "kind",
    "outcome",
  ]);
  readonly #conflicts = this.#counter("conflicts_total", "Conflicts between stores, by strategy", [
    "strategy",
    "outcome",
  ]);
  readonly #searchSeconds = this.#histogram("search_duration_seconds", "Duration of searches", SECONDS);
  readonly #healthChecks = this.#counter("health_checks_total", "Looks at the stores' health", ["store", "outcome"]);
  #lastCleanSeconds = 0;

  /** @param stores ids of the stores, the ledger among them. */
  constructor(stores: readonly StoreId[]) {
    for (const operation of OPERATIONS) {
      for (const outcome of STATUSES) this.#syncs.inc({ operation, outcome }, 0);
    }
    for (const store of stores) {
      for (const kind of DRIFT_KINDS) this.#errors.inc({ store, kind }, 0);
      for (const outcome of HEALTH) this.#healthChecks.inc({ store, outcome }, 0);
    }
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** All metrics in Prometheus' text format, Node's own included. Never waits longer than the readings' deadline. */
  async text(): Promise<string> {
    return await Registry.merge([this.registry, processMetrics()]).metrics();
  }

  /** Runs a call that writes, and counts its outcomes; a rejection counts as one failure. */
  async measured<T>(operation: Operation, work: () => Promise<T>, statusesOf: (result: T) => readonly SyncStatus[]) {
    const startedAt = performance.now();
    try {
      const result = await work();
      for (const outcome of statusesOf(result)) this.#syncs.inc({ operation, outcome });
      return result;
    } catch (error) {
      this.#syncs.inc({ operation, outcome: "failed" });
      throw error;
    } finally {
      this.#syncSeconds.observe({ operation }, secondsSince(startedAt));
    }
  }

  transactionBegun(memories: number): void {
    this.#batchSize.observe(memories);
  }

  async searched<T>(work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.#searchSeconds.observe(secondsSince(startedAt));
    }
  }

  checkFinished(report: Pick<ConsistencyReport, "findings">, scope: CheckScope, seconds: number): void {
    this.#checkSeconds.observe({ scope }, seconds);
    for (const { store, kind } of report.findings) this.#errors.inc({ store, kind });
  }

  /** As the ledger has it: a check of another node, or before the last start, counts too. */
  lastCleanCheck(secondsSince1970: number): void {
    this.#lastCleanSeconds = Math.max(this.#lastCleanSeconds, secondsSince1970);
    this.#lastClean.set(this.#lastCleanSeconds);
  }

  repairFinished(details: readonly Pick<RepairDetail, "store" | "kind" | "outcome">[]): void {
    for (const { store, kind, outcome } of details) this.#repairs.inc({ store, kind, outcome });
  }

  refilled(store: StoreId, memories: number): void {
    this.#repairs.inc({ store, kind: "missing", outcome: "repaired" }, memories);
  }

  conflictResolved(strategy: string, outcome: string): void {
    this.#conflicts.inc({ strategy, outcome });
  }

  healthChecked(store: StoreId, outcome: HealthState): void {
    this.#healthChecks.inc({ store, outcome });
  }

  /** A gauge of this registry, up to date at each scrape. */
  gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Gauge<Label> {
    return new Gauge({ ...this.#named(name, help, labelNames), collect: () => this.#refresh() });
  }

  /** `refresh` is awaited before gauges are shown. It must not reject, and must end in time. */
  beforeScrape(refresh: () => Promise<void>): void {
    this.#refresh = refresh;
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Counter<Label> {
    // The refresh may count too: its health checks.
    return new Counter({ ...this.#named(name, help, labelNames), collect: () => this.#refresh() });
  }

  #histogram<Label extends string>(name: string, help: string, buckets: number[], labelNames: readonly Label[] = []) {
    return new Histogram({ ...this.#named(name, help, labelNames), buckets });
  }

  #named<Label extends string>(name: string, help: string, labelNames: readonly Label[]) {
    return { name: METRIC_PREFIX + name, help, labelNames: [...labelNames], registers: [this.registry] };
  }
}

function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1_000;
}
