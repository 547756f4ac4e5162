import type { EffectiveOptions } from "../config/options.ts";
import { LEDGER_ID, type StoreId } from "../domain/store-id.ts";
import type { HealthMetrics } from "../runtime/health-metrics.ts";
import { HealthMonitor, type Probe } from "../runtime/health-monitor.ts";
import type { StoreRegistry } from "../stores/registry.ts";
import type { Connections } from "./connections.ts";

/**
 * One monitor for each store of the node, the ledger first; none is started. It holds the store's one judgement: gates,
 * reports, metrics and the pools' breakers read it.
 */
export function createMonitors(
  options: EffectiveOptions,
  { ledger, pools, notifications: { log } }: Connections,
  { projections }: StoreRegistry,
  metrics: HealthMetrics,
): ReadonlyMap<StoreId, HealthMonitor> {
  const probes: [StoreId, Probe][] = [
    [LEDGER_ID, (signal) => ledger.health(signal)],
    ...projections.map((projection): [StoreId, Probe] => [projection.id, (signal) => projection.health(signal)]),
  ];
  pools?.on("checked", ({ store, outcome }) => metrics.checked(store, outcome));
  return new Map(
    probes.map(([store, probe]): [StoreId, HealthMonitor] => {
      const own = pools?.monitors.find((monitor) => monitor.store === store);
      own?.useProbe(probe); // Sharper than the pool's own: it knows whether the store takes our writes.
      return [store, own ?? newMonitor(store, probe)];
    }),
  );

  function newMonitor(store: StoreId, probe: Probe): HealthMonitor {
    return new HealthMonitor({
      store,
      probe,
      intervalMs: options.healthCheckIntervalMs,
      onChecked: (outcome) => metrics.checked(store, outcome),
      onChanged: (from, to, reason) =>
        log[to === "healthy" ? "info" : "warn"]({ store, from, to, reason }, "health.changed"),
    });
  }
}
