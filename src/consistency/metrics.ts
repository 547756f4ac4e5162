import type { StoreId } from "../domain/store-id.ts";
import type { MetricBase } from "../runtime/metric-base.ts";
import { type ConsistencyReport, DRIFT_KINDS } from "./check/report.ts";
import type { RepairReport } from "./repair/repair-options.ts";

/** Upper bounds in seconds: a check may take an hour. */
const CHECK_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600];

/** Metrics of checks, repairs and conflict strategies. */
export class ConsistencyMetrics {
  readonly #errors;
  readonly #checkSeconds;
  readonly #lastClean;
  readonly #repairs;
  readonly #conflicts;
  #lastCleanSeconds = 0;

  /** @param stores ids of the stores, the ledger among them. */
  constructor(base: MetricBase, stores: readonly StoreId[]) {
    const found = "Differences that checks have proven";
    this.#errors = base.counter("consistency_errors_total", found, ["store", "kind"]);
    const name = "consistency_check_duration_seconds";
    this.#checkSeconds = base.histogram(name, "Duration of checks", CHECK_SECONDS, ["scope"]);
    this.#lastClean = base.gauge(
      "consistency_last_clean_timestamp_seconds",
      "When a check last found nothing, in seconds since 1970; 0 for never",
    );
    const tried = "Findings that a repair was tried for";
    this.#repairs = base.counter("repairs_total", tried, ["store", "kind", "outcome"]);
    const decided = "Conflicts between stores, by strategy";
    this.#conflicts = base.counter("conflicts_total", decided, ["strategy", "outcome"]);
    for (const store of stores) {
      for (const kind of DRIFT_KINDS) this.#errors.inc({ store, kind }, 0);
    }
  }

  checkFinished({ scope, findings }: Pick<ConsistencyReport, "scope" | "findings">, seconds: number): void {
    this.#checkSeconds.observe({ scope }, seconds);
    for (const { store, kind } of findings) this.#errors.inc({ store, kind });
  }

  /** From the ledger, so checks of other nodes, and from before the last start, count too. */
  lastCleanCheck(secondsSince1970: number): void {
    this.#lastCleanSeconds = Math.max(this.#lastCleanSeconds, secondsSince1970);
    this.#lastClean.set(this.#lastCleanSeconds);
  }

  repairFinished({ details }: Pick<RepairReport, "details">): void {
    for (const { store, kind, outcome, strategy } of details) {
      this.#repairs.inc({ store, kind, outcome });
      if (strategy !== null) this.#conflicts.inc({ strategy, outcome });
    }
  }

  /** Counts the memories republished to a store that had lost everything. */
  refilled(store: StoreId, memories: number): void {
    this.#repairs.inc({ store, kind: "missing", outcome: "repaired" }, memories);
  }
}
