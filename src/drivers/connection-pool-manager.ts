import { EventEmitter } from "node:events";
import { ConfigurationError, StoreUnavailableError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { HealthMonitor, type HealthReport, type Probe } from "../runtime/health-monitor.ts";
import { type Log, silentLog } from "../runtime/log.ts";
import { Loop } from "../runtime/loop.ts";
import { onAbort } from "../runtime/on-abort.ts";
import type { HealthState } from "../runtime/store-health.ts";
import type { PoolStatistics, PostgresAccess, PostgresConnection } from "./postgres/postgres-access.ts";
import { type PoolCounts, PostgresPool } from "./postgres/postgres-pool.ts";
import type { RedisLink } from "./redis/redis-client.ts";
import { isCluster, RedisPool } from "./redis/redis-pool.ts";

export interface ConnectionPoolOptions {
  /** `postgres://user:password@host1:port,host2:port/database`, with libpq's `sslmode`, `target_session_attrs` and so on. */
  postgresUrl: string;
  /** `redis://`, `rediss://`, `redis+sentinel://…/master/0` or `redis+cluster://…`; null: no Redis. */
  redisUrl: string | null;
  /** Connections to Postgres that are kept open. @default 10 */
  postgresConnectionsMin?: number;
  /** @default 20 */
  postgresConnectionsMax?: number;
  /** Connections to Redis at most, the shared one included. @default 50 */
  redisConnectionsMax?: number;
  /** Milliseconds that a call may take, the wait for a connection included. @default 60_000 */
  commandTimeoutMs?: number;
  /** Milliseconds between health checks; a store that is not healthy is checked four times as often. @default 30_000 */
  healthCheckIntervalMs?: number;
  /** Milliseconds between attempts to reconnect to Redis, at most. @default 5_000 */
  reconnectIntervalMs?: number;
  /** Milliseconds after which an idle connection is replaced by a new one. @default 1_800_000 (30 min) */
  connectionLifetimeMs?: number;
  log?: Log;
}

export interface ConnectionPoolEvents {
  /** A store's state is another one now. */
  health: [change: { store: StoreId; from: HealthState; to: HealthState; reason: string | null }];
  /** A health check has ended. */
  checked: [check: { store: StoreId; outcome: HealthState; milliseconds: number }];
}

export interface PoolHealth<Statistics> extends HealthReport {
  /** Connections by state, and calls that wait for one. */
  readonly connections: Statistics;
  readonly counts: PoolCounts;
}

/** What `getHealthStatus` answers. */
export interface HealthStatus {
  /** The worst of all. */
  readonly state: HealthState;
  readonly postgres: PoolHealth<PoolStatistics>;
  /** Null without Redis. */
  readonly redis: PoolHealth<ReturnType<RedisPool["statistics"]>> | null;
}

/** Milliseconds that the first connection to Redis is waited for: a server may accept it and say nothing. */
const REDIS_CONNECT_MS = 5_000;

/**
 * Owns the connections to Postgres and Redis: deadlines on every call, health with a breaker, reconnecting, recycling.
 *
 *   new ──connect──► connected ──start──► watched (health checks, upkeep) ──close──► closed (final)
 *
 * The breaker is the health state: while a store is `down`, `withPostgres` and `withRedis` fail at once, and health
 * checks find out when it is back. Both servers may go away and come back at any time.
 */
export class ConnectionPoolManager extends EventEmitter<ConnectionPoolEvents> {
  readonly #postgres: PostgresPool;
  readonly #redis: RedisPool | null;
  readonly #monitors: { readonly postgres: HealthMonitor; readonly redis: HealthMonitor | null };
  readonly #upkeep: Loop;
  readonly #log: Log;
  readonly #commandTimeoutMs: number;
  #closing: Promise<void> | null = null;

  /** Opens nothing yet. @throws {ConfigurationError} A URL is none. */
  constructor(options: ConnectionPoolOptions) {
    super();
    const {
      postgresConnectionsMin = 10,
      postgresConnectionsMax = 20,
      redisConnectionsMax = 50,
      commandTimeoutMs = 60_000,
      healthCheckIntervalMs = 30_000,
      reconnectIntervalMs = 5_000,
      connectionLifetimeMs = 1_800_000,
      log = silentLog,
    } = options;
    this.#log = log;
    this.#commandTimeoutMs = commandTimeoutMs;
    this.#postgres = new PostgresPool(options.postgresUrl, {
      min: postgresConnectionsMin,
      max: postgresConnectionsMax,
      statementTimeoutMs: commandTimeoutMs,
      lifetimeMs: connectionLifetimeMs,
      onUsed: (answered) => this.#noticed("postgres", answered),
    });
    const redisOptions = {
      max: redisConnectionsMax,
      reconnectDelayMaxMs: reconnectIntervalMs,
      lifetimeMs: connectionLifetimeMs,
      onLink: (up: boolean) => this.#noticed("redis", up),
    };
    const redis = options.redisUrl === null ? null : new RedisPool(options.redisUrl, redisOptions, log);
    this.#redis = redis;
    this.#monitors = {
      postgres: this.#monitor("postgres", healthCheckIntervalMs, (signal) => this.#probePostgres(signal)),
      redis: redis && this.#monitor("redis", healthCheckIntervalMs, (signal) => this.#probeRedis(redis, signal)),
    };
    this.#upkeep = new Loop({
      name: "connections",
      intervalMs: Math.min(healthCheckIntervalMs, 10_000),
      log,
      pass: async (signal) => {
        this.#redis?.maintain();
        await withDeadline(10_000, signal, (deadline) => this.#postgres.maintain(deadline));
        return false;
      },
    });
  }

  /** As `new`, `connect` and `start`, for use alone. On failure nothing stays open. */
  static async open(
    options: ConnectionPoolOptions,
    call: { signal?: AbortSignal } = {},
  ): Promise<ConnectionPoolManager> {
    const manager = new ConnectionPoolManager(options);
    try {
      await manager.connect(call);
      manager.start();
      return manager;
    } catch (error) {
      await manager.close();
      throw error;
    }
  }

  /**
   * Makes the first connections. Redis may be away: it is tried again in the background.
   * @throws {StoreUnavailableError} {StoreRefusedError} Postgres lets nobody in.
   */
  async connect(call: { signal?: AbortSignal } = {}): Promise<void> {
    const redis = this.#connectRedis(call.signal); // Never rejects.
    try {
      await withDeadline(this.#commandTimeoutMs, call.signal, (signal) =>
        this.#postgres.use(signal, async ({ sql }) => void (await sql`select 1`)),
      );
    } finally {
      await redis;
    }
    call.signal?.throwIfAborted();
  }

  /** Begins health checks and the upkeep of connections. Twice is once. */
  start(): void {
    for (const monitor of this.monitors) monitor.start();
    this.#upkeep.start();
  }

  /** Postgres without a breaker, for those who bring their own. */
  get postgres(): PostgresAccess {
    return this.#postgres;
  }

  /** The connection to Redis that all calls share; null without Redis. Give every call a deadline: the driver has none. */
  get redis(): RedisLink | null {
    return this.#redis?.shared ?? null;
  }

  /** What watches the stores, for metrics and for asking at once. */
  get monitors(): readonly HealthMonitor[] {
    const { postgres, redis } = this.#monitors;
    return redis === null ? [postgres] : [postgres, redis];
  }

  /** Asks a store in another way from now on, e.g. whether it takes writes rather than whether it answers. */
  useProbe(store: "postgres" | "redis", probe: Probe): void {
    this.#monitors[store]?.useProbe(probe);
  }

  /**
   * Runs `work` on a Postgres connection of its own; a transaction that it leaves open ends with the connection.
   * @throws {StoreUnavailableError} At once while Postgres is down; otherwise when it gives no answer in time.
   */
  async withPostgres<T>(
    work: (connection: PostgresConnection) => Promise<T>,
    call: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<T> {
    this.#assertUp("postgres");
    return await withDeadline(call.timeoutMs ?? this.#commandTimeoutMs, call.signal, (signal) =>
      this.#postgres.use(signal, work),
    );
  }

  /** Runs `work` on a Redis connection that nobody else uses meanwhile. @throws as `withPostgres`, and what `work` throws. */
  async withRedis<T>(
    work: (client: RedisLink) => Promise<T>,
    call: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<T> {
    const redis = this.#redis;
    if (redis === null) throw new ConfigurationError("withRedis needs a Redis: this manager was made without redisUrl");
    this.#assertUp("redis");
    return await withDeadline(call.timeoutMs ?? this.#commandTimeoutMs, call.signal, (signal) =>
      redis.use(signal, work),
    );
  }

  /** As last seen: asks nobody. `checkHealth` does. */
  getHealthStatus(): HealthStatus {
    const postgres = {
      ...this.#monitors.postgres.report(),
      connections: this.#postgres.statistics(),
      counts: this.#postgres.counts(),
    };
    const redis =
      this.#redis === null || this.#monitors.redis === null
        ? null
        : {
            ...this.#monitors.redis.report(),
            connections: this.#redis.statistics(),
            counts: this.#redis.counts(),
          };
    const order: HealthState[] = ["healthy", "degraded", "down"];
    const state = order[
      Math.max(order.indexOf(postgres.state), order.indexOf(redis?.state ?? "healthy"))
    ] as HealthState;
    return { state, postgres, redis };
  }

  /** Looks at both stores now. Never rejects. */
  async checkHealth(): Promise<HealthStatus> {
    await Promise.all(this.monitors.map((monitor) => monitor.check()));
    return this.getHealthStatus();
  }

  /** Ends the checks and all connections; calls under way fail. Safe twice. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.monitors.map((monitor) => monitor.stop()), this.#upkeep.stop()]);
    this.#redis?.close();
    await this.#postgres.close();
  }

  async #connectRedis(parent: AbortSignal | undefined): Promise<void> {
    const redis = this.#redis;
    if (redis === null) return;
    try {
      await withDeadline(REDIS_CONNECT_MS, parent, (signal) => redis.connect(signal));
    } catch (error) {
      // It goes on trying by itself, and writes do as `onStoreDown` says until it is there.
      this.#log.warn({ error: (error as Error).message }, "redis.away_at_start");
    }
  }

  #monitor(store: "postgres" | "redis", intervalMs: number, probe: Probe): HealthMonitor {
    return new HealthMonitor({
      store,
      intervalMs,
      probe,
      onChecked: (outcome, milliseconds) => this.emit("checked", { store, outcome, milliseconds }),
      onChanged: (from, to, reason) => {
        this.#log[to === "healthy" ? "info" : "warn"]({ store, from, to, reason }, "health.changed");
        this.emit("health", { store, from, to, reason });
      },
    });
  }

  /** A call that fails on a store thought healthy, or goes well on one thought down, is worth a look soon. */
  #noticed(store: "postgres" | "redis", answered: boolean): void {
    const monitor = this.#monitors?.[store];
    if (monitor != null && answered !== (monitor.state === "healthy")) monitor.hint();
  }

  /** Only what was looked at can be down: before the first check calls go through. */
  #assertUp(store: "postgres" | "redis"): void {
    const report = this.#monitors[store]?.report();
    if (report?.state === "down" && report.checks > 0) {
      throw new StoreUnavailableError(
        store,
        `down since its health checks failed: ${report.reason}; it is checked again soon`,
      );
    }
  }

  async #probePostgres(signal: AbortSignal): Promise<{ state: HealthState; reason?: string }> {
    const readOnly = await this.#postgres.use(signal, async ({ sql }) => {
      const [row] = await sql<{ read_only: boolean }[]>`
        select current_setting('transaction_read_only') = 'on' as read_only`;
      return row?.read_only === true;
    });
    return readOnly ? { state: "degraded", reason: "the server takes no writes" } : { state: "healthy" };
  }

  async #probeRedis(redis: RedisPool, signal: AbortSignal): Promise<{ state: HealthState; reason?: string }> {
    const link = redis.shared;
    // Replies come in order: on a link that went silent everything would wait, so another one is made.
    const forget = onAbort(signal, () => {
      if (link.status === "ready") link.disconnect(true);
    });
    try {
      return await this.#askRedis(link);
    } finally {
      forget();
    }
  }

  async #askRedis(link: RedisLink): Promise<{ state: HealthState; reason?: string }> {
    if (isCluster(link)) {
      const state = (await link.cluster("INFO")) as string;
      const ok = state.includes("cluster_state:ok");
      return ok ? { state: "healthy" } : { state: "degraded", reason: "the cluster lacks servers for some slots" };
    }
    const [role] = (await link.role()) as [string | Buffer];
    return String(role) === "master" ? { state: "healthy" } : { state: "degraded", reason: `the server is a ${role}` };
  }
}
