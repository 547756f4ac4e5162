import { MnemosyncError, StoreUnavailableError } from "../../domain/errors.ts";
import { storeAbortError, untilAborted } from "../../runtime/deadline.ts";
import type { ProbeAnswer } from "../../runtime/health-monitor.ts";
import { LeasePool, type PoolCounts, type PoolStatistics } from "../../runtime/lease-pool.ts";
import type { Log } from "../../runtime/log.ts";
import { onAbort } from "../../runtime/on-abort.ts";
import { CONNECTION_DEFAULTS } from "../settings.ts";
import { createRedisClient, isCluster, type RedisLink } from "./redis-client.ts";

export interface RedisPoolOptions {
  /** Connections at most, the shared one included. @default 50 */
  max?: number;
  /** Calls that may wait for a connection of their own; more are refused at once. @default 10_000 */
  waitingMax?: number;
  /** Milliseconds for establishing one connection. @default 5_000 */
  connectTimeoutMs?: number;
  /** Milliseconds between attempts to reconnect, at most. @default 5_000 */
  reconnectDelayMaxMs?: number;
  /** Milliseconds after which an idle connection is replaced by a new one. @default 1_800_000 (30 min) */
  lifetimeMs?: number;
  /** Milliseconds after which an idle connection is closed by `maintain`. @default 60_000 */
  idleTimeoutMs?: number;
  /** Called when the shared connection comes up or goes down. */
  onLink?: (up: boolean) => void;
}

/** Connections to Redis by state. `shared` is 1 while the connection that all calls share is up. */
export interface RedisPoolStatistics extends PoolStatistics {
  shared: number;
}

/**
 * Connections to Redis: one that all calls share, since Redis answers in order and one connection carries any number of
 * calls, and others that a piece of work has for itself (`WATCH`, blocking commands, `SELECT`).
 */
export class RedisPool {
  /** The connection that all calls share. It reconnects for ever, and fails calls at once meanwhile. */
  readonly shared: RedisLink;
  readonly #pool: LeasePool<RedisLink>;

  /** Opens nothing yet. @throws {ConfigurationError} The URL is malformed. */
  constructor(url: string, options: RedisPoolOptions = {}, log?: Log) {
    const settings = {
      max: CONNECTION_DEFAULTS.redisConnectionsMax,
      waitingMax: CONNECTION_DEFAULTS.connectionWaitingMax,
      connectTimeoutMs: CONNECTION_DEFAULTS.connectTimeoutMs,
      reconnectDelayMaxMs: CONNECTION_DEFAULTS.reconnectIntervalMs,
      lifetimeMs: CONNECTION_DEFAULTS.connectionLifetimeMs,
      idleTimeoutMs: CONNECTION_DEFAULTS.connectionIdleMs,
      onLink: () => undefined,
      ...options,
    };
    this.shared = createRedisClient(url, settings, log);
    this.shared.on("ready", () => settings.onLink(true));
    this.shared.on("close", () => settings.onLink(false));
    const { waitingMax, lifetimeMs, idleTimeoutMs } = settings;
    this.#pool = new LeasePool<RedisLink>(
      {
        open: async (signal) => {
          const client = createRedisClient(url, settings, log);
          try {
            await untilAborted(client.connect(), signal);
            return client;
          } catch (error) {
            client.disconnect();
            throw error;
          }
        },
        isUsable: (client) => client.status === "ready",
        destroy: (client) => client.disconnect(),
        end: async (client) => client.disconnect(),
        openError: unavailable,
        workError: (error) => error,
      },
      // The shared connection counts towards the maximum.
      { store: "redis", min: 0, max: settings.max - 1, waitingMax, lifetimeMs, idleTimeoutMs },
    );
  }

  /** Connects the shared connection. @throws {StoreUnavailableError} The client keeps trying in the background nevertheless. */
  async connect(signal: AbortSignal): Promise<void> {
    if (this.shared.status === "ready") return;
    try {
      await untilAborted(this.shared.connect(), signal);
    } catch (error) {
      throw signal.aborted ? storeAbortError("redis", signal, error) : unavailable(error);
    }
  }

  /** Runs `work` on a connection that nothing else uses meanwhile; see `LeasePool.use`. Errors of `work` pass through. */
  async use<T>(signal: AbortSignal, work: (client: RedisLink) => Promise<T>): Promise<T> {
    return await this.#pool.use(signal, work);
  }

  statistics(): RedisPoolStatistics {
    return { shared: this.shared.status === "ready" ? 1 : 0, ...this.#pool.statistics() };
  }

  counts(): PoolCounts {
    return this.#pool.counts();
  }

  /** Closes idle connections that are dead, too old, or not needed any more. */
  async maintain(signal: AbortSignal): Promise<void> {
    await this.#pool.maintain(signal);
  }

  /** Asks the server for its role: `degraded` on a replica, and on a cluster that lacks servers for some slots. */
  async probe(signal: AbortSignal): Promise<ProbeAnswer> {
    const link = this.shared;
    // Replies come in order, so one missing reply blocks all later calls: a silent connection is replaced.
    const forget = onAbort(signal, () => {
      if (link.status === "ready") link.disconnect(true);
    });
    try {
      return await askState(link);
    } finally {
      forget();
    }
  }

  /** Closes all connections. Safe twice. */
  async close(): Promise<void> {
    const closed = this.#pool.close();
    this.shared.disconnect();
    await closed;
  }
}

async function askState(link: RedisLink): Promise<ProbeAnswer> {
  if (isCluster(link)) {
    const state = (await link.cluster("INFO")) as string;
    const ok = state.includes("cluster_state:ok");
    return ok ? { state: "healthy" } : { state: "degraded", reason: "the cluster lacks servers for some slots" };
  }
  const [role] = (await link.role()) as [string | Buffer];
  return String(role) === "master" ? { state: "healthy" } : { state: "degraded", reason: `the server is a ${role}` };
}

function unavailable(error: unknown): MnemosyncError {
  if (error instanceof MnemosyncError) return error;
  return new StoreUnavailableError("redis", error instanceof Error ? error.message : String(error), { cause: error });
}
