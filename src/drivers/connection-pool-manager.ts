import { EventEmitter } from "node:events";
import { ConfigurationError } from "../domain/errors.ts";
import { defined } from "../domain/settings.ts";
import { closeAll } from "../runtime/close-all.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { HealthMonitor, type Probe } from "../runtime/health-monitor.ts";
import { type Log, silentLog } from "../runtime/log.ts";
import { Loop } from "../runtime/loop.ts";
import type { Service } from "../runtime/service.ts";
import { Services } from "../runtime/services.ts";
import { worstState } from "../runtime/store-health.ts";
import type {
  ConnectionPoolEvents,
  ConnectionPoolOptions,
  HealthStatus,
  PoolHealth,
} from "./connection-pool-options.ts";
import type { PostgresAccess, PostgresConnection } from "./postgres/postgres-access.ts";
import { PostgresPool } from "./postgres/postgres-pool.ts";
import type { RedisLink } from "./redis/redis-client.ts";
import { RedisPool } from "./redis/redis-pool.ts";
import { CONNECTION_DEFAULTS } from "./settings.ts";

/** Milliseconds to wait for the first connection to Redis: a server may accept it and then stay silent. */
const REDIS_CONNECT_MS = 5_000;

type ServerName = "postgres" | "redis";

/** A pool, and the monitor whose state is its circuit breaker. */
interface Watched<Pool> {
  readonly pool: Pool;
  readonly monitor: HealthMonitor;
}

type LeasingPool<Connection> = Pick<PostgresPool | RedisPool, "counts" | "maintain" | "close"> & {
  use<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T>;
};

/**
 * Owns the connections to Postgres and Redis: deadlines on every call, health with a breaker, reconnecting, recycling.
 *
 *   new ──connect──► connected ──start──► watched (health checks, upkeep) ──close──► closed (final)
 *
 * The breaker is the health state: while a store is `down`, `withPostgres` and `withRedis` fail at once, and health
 * checks find out when it is back. Both servers may go away and come back at any time.
 */
export class ConnectionPoolManager extends EventEmitter<ConnectionPoolEvents> {
  /** Started by `start`: the health checks and the upkeep of connections. */
  readonly services: readonly Service[];
  readonly #postgres: Watched<PostgresPool>;
  /** Null without Redis. */
  readonly #redis: Watched<RedisPool> | null;
  readonly #running: Services;
  readonly #log: Log;
  readonly #commandTimeoutMs: number;
  #closing: Promise<void> | null = null;

  /** Opens nothing yet. @throws {ConfigurationError} A URL is malformed. */
  constructor(options: ConnectionPoolOptions) {
    super();
    const settings = { ...CONNECTION_DEFAULTS, ...defined(options) };
    const { postgresUrl, redisUrl, commandTimeoutMs, healthCheckIntervalMs, log = silentLog } = settings;
    const shared = {
      waitingMax: settings.connectionWaitingMax,
      connectTimeoutMs: settings.connectTimeoutMs,
      lifetimeMs: settings.connectionLifetimeMs,
      idleTimeoutMs: settings.connectionIdleMs,
    };
    this.#log = log;
    this.#commandTimeoutMs = commandTimeoutMs;
    const postgres = new PostgresPool(postgresUrl, {
      ...shared,
      min: settings.postgresConnectionsMin,
      max: settings.postgresConnectionsMax,
      statementTimeoutMs: commandTimeoutMs,
      lockTimeoutMs: settings.lockTimeoutMs,
      idleInTransactionTimeoutMs: settings.idleInTransactionTimeoutMs,
      onUsed: (answered) => noticed(this.#postgres.monitor, answered),
    });
    this.#postgres = { pool: postgres, monitor: this.#monitor("postgres", postgres, healthCheckIntervalMs) };
    this.#redis = null;
    if (redisUrl !== null) {
      const redisOptions = {
        ...shared,
        max: settings.redisConnectionsMax,
        reconnectDelayMaxMs: settings.reconnectIntervalMs,
        onLink: (up: boolean) => void (this.#redis && noticed(this.#redis.monitor, up)),
      };
      const pool = new RedisPool(redisUrl, redisOptions, log);
      this.#redis = { pool, monitor: this.#monitor("redis", pool, healthCheckIntervalMs) };
    }
    const upkeep = new Loop({
      name: "connections",
      intervalMs: Math.min(healthCheckIntervalMs, 10_000),
      log,
      pass: async (signal) => {
        await withDeadline(10_000, signal, async (deadline) => {
          await this.#redis?.pool.maintain(deadline);
          await this.#postgres.pool.maintain(deadline);
        });
        return false;
      },
    });
    this.services = [...this.monitors, upkeep];
    this.#running = new Services(this.services);
  }

  /** As `new`, `connect` and `start`, for use on its own. On failure nothing stays open. */
  static async open(
    options: ConnectionPoolOptions,
    call: { signal?: AbortSignal | undefined } = {},
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
   * Makes the first connections. Redis may be away: connecting is tried again in the background.
   * @throws {StoreUnavailableError} {StoreRefusedError} Postgres accepts no connection.
   */
  async connect(call: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const redis = this.#connectRedis(call.signal); // Never rejects.
    try {
      await withDeadline(this.#commandTimeoutMs, call.signal, (signal) =>
        this.#postgres.pool.use(signal, async ({ sql }) => void (await sql`select 1`)),
      );
    } finally {
      await redis;
    }
    call.signal?.throwIfAborted();
  }

  /** Begins health checks and the upkeep of connections. A second call has no effect. */
  start(): void {
    this.#running.start();
  }

  /** Postgres without the breaker, for callers that have one of their own. */
  get postgres(): PostgresAccess {
    return this.#postgres.pool;
  }

  /** The connection to Redis that all calls share; null without Redis. Give every call a deadline: the driver has none. */
  get redis(): RedisLink | null {
    return this.#redis?.pool.shared ?? null;
  }

  /** The health checks of each store: for metrics, and for asking at once. */
  get monitors(): readonly HealthMonitor[] {
    const postgres = this.#postgres.monitor;
    return this.#redis === null ? [postgres] : [postgres, this.#redis.monitor];
  }

  /** Replaces the probe of a store, e.g. by one that tests whether it takes writes rather than whether it answers. */
  useProbe(store: ServerName, probe: Probe): void {
    this.monitors.find((monitor) => monitor.store === store)?.useProbe(probe);
  }

  /**
   * Runs `work` on a Postgres connection of its own; a transaction that it leaves open ends with the connection.
   * @throws {StoreUnavailableError} At once while Postgres is down; otherwise when it gives no answer in time.
   */
  async withPostgres<T>(
    work: (connection: PostgresConnection) => Promise<T>,
    call: { signal?: AbortSignal | undefined; timeoutMs?: number | undefined } = {},
  ): Promise<T> {
    return await this.#with(this.#postgres, work, call);
  }

  /**
   * Runs `work` on a Redis connection that nothing else uses meanwhile.
   * @throws {ConfigurationError} There is no Redis. @throws as `withPostgres`, and the errors of `work`.
   */
  async withRedis<T>(
    work: (client: RedisLink) => Promise<T>,
    call: { signal?: AbortSignal | undefined; timeoutMs?: number | undefined } = {},
  ): Promise<T> {
    if (this.#redis === null) {
      throw new ConfigurationError("withRedis needs a Redis: this manager was made without redisUrl");
    }
    return await this.#with(this.#redis, work, call);
  }

  /** The results of the last checks. Asks no server; `checkHealth` does. */
  getHealthStatus(): HealthStatus {
    const postgres = healthOf(this.#postgres);
    const redis = this.#redis && healthOf(this.#redis);
    return { state: worstState([postgres.state, redis?.state ?? "healthy"]), postgres, redis };
  }

  /** Checks all servers now. Never rejects. */
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
    await closeAll([
      () => this.#postgres.pool.close(),
      async () => this.#redis?.pool.close(),
      () => this.#running.stop(),
    ]);
  }

  async #with<Connection, T>(
    { pool, monitor }: Watched<LeasingPool<Connection>>,
    work: (connection: Connection) => Promise<T>,
    call: { signal?: AbortSignal | undefined; timeoutMs?: number | undefined },
  ): Promise<T> {
    monitor.assertNotDown();
    return await withDeadline(call.timeoutMs ?? this.#commandTimeoutMs, call.signal, (signal) =>
      pool.use(signal, work),
    );
  }

  async #connectRedis(parent: AbortSignal | undefined): Promise<void> {
    const redis = this.#redis;
    if (redis === null) return;
    try {
      await withDeadline(REDIS_CONNECT_MS, parent, (signal) => redis.pool.connect(signal));
    } catch (error) {
      // The driver keeps connecting. Until Redis answers, `onStoreDown` decides what writes do.
      this.#log.warn({ error: (error as Error).message }, "redis.away_at_start");
    }
  }

  #monitor(store: ServerName, pool: PostgresPool | RedisPool, intervalMs: number): HealthMonitor {
    return new HealthMonitor({
      store,
      intervalMs,
      probe: (signal) => pool.probe(signal),
      onChecked: (outcome, milliseconds) => this.emit("checked", { store, outcome, milliseconds }),
      onChanged: (from, to, reason) => {
        this.#log[to === "healthy" ? "info" : "warn"]({ store, from, to, reason }, "health.changed");
        this.emit("health", { store, from, to, reason });
      },
    });
  }
}

/** A call that fails on a healthy store, or succeeds on another one, is a reason to check soon. */
function noticed(monitor: HealthMonitor, answered: boolean): void {
  if (answered !== (monitor.state === "healthy")) monitor.hint();
}

function healthOf<Statistics>({
  pool,
  monitor,
}: Watched<{ statistics(): Statistics; counts: PostgresPool["counts"] }>): PoolHealth<Statistics> {
  return { ...monitor.report(), connections: pool.statistics(), counts: pool.counts() };
}
