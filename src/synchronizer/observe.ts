import type { StoreId } from "../domain/store-id.ts";
import type { ConnectionPoolManager } from "../drivers/connection-pool-manager.ts";
import { PoolMetrics } from "../drivers/metrics.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import { LedgerMetrics } from "../ledger/metrics.ts";
import type { HealthMonitor } from "../runtime/health-monitor.ts";
import type { Log } from "../runtime/log.ts";
import { Readings } from "../runtime/readings.ts";
import { VectorMetrics } from "../stores/metrics.ts";
import type { Projection } from "../stores/projection.ts";
import type { StoreRegistry } from "../stores/registry.ts";
import type { RoomMetrics } from "./room-metrics.ts";

export interface Observed {
  readonly metrics: RoomMetrics;
  readonly ledger: LedgerStore;
  readonly postgres: PostgresAccess;
  readonly stores: StoreRegistry;
  /** Of the stores of this node that do not know themselves how far they are behind the feed. */
  readonly followers: readonly { readonly name: StoreId; readonly lagMs: number | null }[];
  /** Null with clients of the caller's. */
  readonly pools: ConnectionPoolManager | null;
  /** Of every store that there is. */
  readonly monitors: readonly HealthMonitor[];
  readonly log: Log;
  /** Milliseconds for which a scrape shows what the last one read. */
  readonly metricsFreshMs: number;
}

/** Milliseconds that a scrape waits for what it shows. */
const SCRAPE_TIMEOUT_MS = 1_000;

/** Sets up the gauges. */
export function observe(observed: Observed): void {
  const { metrics, ledger, postgres, stores, followers, monitors, pools, log } = observed;
  const { projections, vectorIndex } = stores;
  const { base, consistency, health, webhooks, hub, replica, connectors } = metrics;
  const sources = [
    new LedgerMetrics(base, {
      postgres,
      nodeId: ledger.nodeId,
      stores: projections.map((projection) => lagging(projection, followers)),
      onLastCleanCheck: (seconds) => consistency.lastCleanCheck(seconds),
      log,
    }),
    new VectorMetrics(base, vectorIndex),
    new PoolMetrics(base, { postgres, pools }),
    webhooks,
    hub,
    replica,
    connectors,
    health.source(monitors, observed.metricsFreshMs),
  ];
  const readings = new Readings({ sources, freshMs: observed.metricsFreshMs, timeoutMs: SCRAPE_TIMEOUT_MS });
  base.beforeScrape(() => readings.refresh());
}

/** A projection, or its follower in its place where that knows the lag. */
function lagging(projection: Projection, followers: Observed["followers"]): Pick<Projection, "id" | "lagMs"> {
  const follower = followers.find(({ name }) => name === projection.id);
  if (follower === undefined) return projection;
  return {
    id: projection.id,
    get lagMs() {
      return follower.lagMs;
    },
  };
}
