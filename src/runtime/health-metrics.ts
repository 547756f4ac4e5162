import type { StoreId } from "../domain/store-id.ts";
import { untilAborted } from "./deadline.ts";
import type { HealthMonitor } from "./health-monitor.ts";
import type { MetricBase } from "./metric-base.ts";
import type { GaugeSource } from "./readings.ts";
import { HEALTH_STATES, type HealthState } from "./store-health.ts";

/** Metrics of the stores' health. */
export class HealthMetrics {
  readonly #checks;
  readonly #up;

  /** @param stores ids of the stores, the ledger among them. */
  constructor(base: MetricBase, stores: readonly StoreId[]) {
    this.#checks = base.counter("health_checks_total", "Looks at the stores' health", ["store", "outcome"]);
    this.#up = base.gauge("store_up", "1 unless the store is down", ["store"]);
    for (const store of stores) {
      for (const outcome of HEALTH_STATES) this.#checks.inc({ store, outcome }, 0);
    }
  }

  checked(store: StoreId, outcome: HealthState): void {
    this.#checks.inc({ store, outcome });
  }

  /** @param freshMs milliseconds for which a check of a monitor that does not run is good enough. */
  source(monitors: readonly HealthMonitor[], freshMs: number): GaugeSource {
    return {
      read: async (signal) => {
        const idle = monitors.filter((monitor) => !monitor.running);
        await Promise.all(
          // Out of time, the check goes on, and the next scrape shows what it found.
          idle.map((monitor) => untilAborted(monitor.checkIfOlder(freshMs), signal).catch(() => undefined)),
        );
      },
      show: () => {
        for (const monitor of monitors) this.#up.set({ store: monitor.store }, monitor.state === "down" ? 0 : 1);
      },
    };
  }
}
