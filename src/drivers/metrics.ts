import type { MetricBase } from "../runtime/metric-base.ts";
import type { GaugeSource } from "../runtime/readings.ts";
import type { ConnectionPoolManager } from "./connection-pool-manager.ts";
import type { PostgresAccess } from "./postgres/postgres-access.ts";

export interface PoolMetricsOptions {
  readonly postgres: PostgresAccess;
  /** Null with clients of the caller's: the size of their Redis connections is not known. */
  readonly pools: ConnectionPoolManager | null;
}

/** The gauge of the connections. */
export class PoolMetrics implements GaugeSource {
  readonly #options: PoolMetricsOptions;
  readonly #size;

  constructor(base: MetricBase, options: PoolMetricsOptions) {
    this.#options = options;
    this.#size = base.gauge("connection_pool_size", "Connections, and calls waiting", ["store", "state"]);
  }

  show(): void {
    const { postgres, pools } = this.#options;
    const { idle, busy, waiting } = postgres.statistics();
    this.#set("postgres", { idle, busy, waiting });
    const redis = pools?.getHealthStatus().redis;
    if (redis) this.#set("redis", { ...redis.connections });
  }

  #set(store: string, states: Readonly<Record<string, number>>): void {
    for (const [state, count] of Object.entries(states)) this.#size.set({ store, state }, count);
  }
}
