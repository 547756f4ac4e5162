import { PoolMetrics } from "../../src/drivers/metrics.ts";
import type { PostgresAccess } from "../../src/drivers/postgres/postgres-access.ts";
import { LedgerMetrics } from "../../src/ledger/metrics.ts";
import { mcpMetricsOf } from "../../src/mcp/metrics.ts";
import { silentLog } from "../../src/runtime/log.ts";
import type { MetricBase } from "../../src/runtime/metric-base.ts";
import { VectorMetrics } from "../../src/stores/metrics.ts";
import { roomMetrics } from "../../src/synchronizer/room-metrics.ts";

/** The metrics of all rooms, without a store to ask. */
export function allMetrics(): MetricBase {
  const { base } = roomMetrics(["postgres", "redis", "faiss"]);
  const postgres = {} as PostgresAccess; // Asked at a scrape only.
  new LedgerMetrics(base, { postgres, nodeId: "n", stores: [], onLastCleanCheck: () => undefined, log: silentLog });
  new VectorMetrics(base, null);
  new PoolMetrics(base, { postgres, pools: null });
  mcpMetricsOf(base.registry);
  return base;
}
