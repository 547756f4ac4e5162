import type { StoreId } from "../domain/store-id.ts";
import type { HealthReport } from "../runtime/health-monitor.ts";
import type { PoolCounts, PoolStatistics } from "../runtime/lease-pool.ts";
import type { Log } from "../runtime/log.ts";
import type { HealthState } from "../runtime/store-health.ts";
import type { RedisPoolStatistics } from "./redis/redis-pool.ts";

export interface ConnectionPoolOptions {
  /** `postgres://user:password@host1:port,host2:port/database`, with libpq's `sslmode`, `target_session_attrs` and so on. */
  postgresUrl: string;
  /** `redis://`, `rediss://`, `redis+sentinel://…/master/0` or `redis+cluster://…`; null: no Redis. */
  redisUrl: string | null;
  /** Connections to Postgres that are kept open. @default 10 */
  postgresConnectionsMin?: number | undefined;
  /** @default 20 */
  postgresConnectionsMax?: number | undefined;
  /** Connections to Redis at most, the shared one included. @default 50 */
  redisConnectionsMax?: number | undefined;
  /** Milliseconds that a call may take, the wait for a connection included. @default 60_000 */
  commandTimeoutMs?: number | undefined;
  /** Milliseconds between health checks; a store that is not healthy is checked four times as often. @default 30_000 */
  healthCheckIntervalMs?: number | undefined;
  /** Milliseconds between attempts to reconnect to Redis, at most. @default 5_000 */
  reconnectIntervalMs?: number | undefined;
  /** Milliseconds after which an idle connection is replaced by a new one. @default 1_800_000 (30 min) */
  connectionLifetimeMs?: number | undefined;
  /** Milliseconds after which an idle connection beyond the minimum is closed. @default 60_000 */
  connectionIdleMs?: number | undefined;
  /** Calls that may wait for a connection; further ones are refused at once. @default 10_000 */
  connectionWaitingMax?: number | undefined;
  /** Milliseconds that opening a connection may take. @default 5_000 */
  connectTimeoutMs?: number | undefined;
  /** Milliseconds that a statement waits for a row lock. @default 5_000 */
  lockTimeoutMs?: number | undefined;
  /** Milliseconds after which Postgres ends an idle transaction of this program. @default 60_000 */
  idleInTransactionTimeoutMs?: number | undefined;
  log?: Log | undefined;
}

export interface ConnectionPoolEvents {
  /** The state of a store changed. */
  health: [change: { store: StoreId; from: HealthState; to: HealthState; reason: string | null }];
  /** A health check ended. */
  checked: [check: { store: StoreId; outcome: HealthState; milliseconds: number }];
}

export interface PoolHealth<Statistics> extends HealthReport {
  /** Connections by state, and calls that wait for one. */
  readonly connections: Statistics;
  readonly counts: PoolCounts;
}

/** The answer of `getHealthStatus`. */
export interface HealthStatus {
  /** The worst state of all stores. */
  readonly state: HealthState;
  readonly postgres: PoolHealth<PoolStatistics>;
  /** Null without Redis. */
  readonly redis: PoolHealth<RedisPoolStatistics> | null;
}
