import { Cluster, Redis } from "ioredis";
import { backoffCeilingMs } from "../../runtime/backoff.ts";
import type { Log } from "../../runtime/log.ts";
import { CONNECTION_DEFAULTS } from "../settings.ts";
import { parseRedisUrl, type RedisTarget } from "./redis-url.ts";

export interface RedisClientOptions {
  /** Milliseconds for establishing the connection. @default 5_000 */
  connectTimeoutMs?: number;
  /** Milliseconds between attempts to reconnect, at most; they begin at 100. @default 5_000 */
  reconnectDelayMaxMs?: number;
}

/** A link to one server (which sentinels may have named), or to a cluster. */
export type RedisLink = Redis | Cluster;

/** Whether the keys are spread over several servers. */
export function isCluster(link: RedisLink): link is Cluster {
  return link instanceof Cluster;
}

/**
 * A client as the projection needs it: while the server is away it fails calls at once instead of queueing them, it never
 * repeats a command on its own, reconnects for ever, and leaves a replica that was the primary before a failover.
 * @throws {ConfigurationError} The URL is malformed.
 */
export function createRedisClient(url: string, options: RedisClientOptions = {}, log?: Log): RedisLink {
  const { connectTimeoutMs = CONNECTION_DEFAULTS.connectTimeoutMs } = options;
  const target = parseRedisUrl(url);
  const settings = linkSettings(options);
  const client = target.kind === "cluster" ? clusterClient(target, settings) : serverClient(target, settings);
  if (client instanceof Redis) {
    // The driver's own time-out ends once TCP is connected: it would wait for ever for a server that accepts the connection
    // and then stays silent.
    let handshake: NodeJS.Timeout | undefined;
    client.on("connect", () => {
      handshake = setTimeout(() => client.disconnect(true), connectTimeoutMs).unref();
    });
    for (const settled of ["ready", "close", "end"]) client.on(settled, () => clearTimeout(handshake));
  }
  // Without a listener the client prints to the console. Calls report their own failures; these are the connection's.
  client.on("error", (error: Error) => log?.debug({ error: error.message }, "redis.link_error"));
  return client;
}

function linkSettings(options: RedisClientOptions) {
  const {
    connectTimeoutMs = CONNECTION_DEFAULTS.connectTimeoutMs,
    reconnectDelayMaxMs = CONNECTION_DEFAULTS.reconnectIntervalMs,
  } = options;
  // Until the failover is complete, reconnecting at every refusal would find the same replica and hide the reason.
  let reconnectedAt = Number.NEGATIVE_INFINITY;
  const mayReconnect = (): boolean => {
    const due = performance.now() - reconnectedAt >= reconnectDelayMaxMs;
    if (due) reconnectedAt = performance.now();
    return due;
  };
  const retryStrategy = (attempt: number): number =>
    backoffCeilingMs(attempt, { baseMs: 100, maxMs: reconnectDelayMaxMs });
  return {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    disconnectTimeout: 50, // A connection that is not up yet has nothing to flush.
    maxRetriesPerRequest: 0,
    enableAutoPipelining: false,
    retryStrategy,
    sentinelRetryStrategy: retryStrategy,
    reconnectOnError: (error: Error): false | 1 => (error.message.includes("READONLY") && mayReconnect() ? 1 : false),
  };
}

type LinkSettings = ReturnType<typeof linkSettings>;

function serverClient(target: Exclude<RedisTarget, { kind: "cluster" }>, settings: LinkSettings): Redis {
  if (target.kind === "server") return new Redis(target.url, { ...settings, ...(target.tls && { tls: target.tls }) });
  const { sentinels, master, database, username, password, tls, sentinelUsername, sentinelPassword } = target;
  return new Redis({
    ...settings,
    sentinels: sentinels.map(({ host, port }) => ({ host, port })),
    name: master,
    db: database,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(sentinelUsername !== undefined && { sentinelUsername }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(tls && { tls, sentinelTLS: tls, enableTLSForSentinelMode: true }),
  });
}

function clusterClient(target: Extract<RedisTarget, { kind: "cluster" }>, settings: LinkSettings): Cluster {
  const { nodes, username, password, tls } = target;
  const { retryStrategy, sentinelRetryStrategy: _, lazyConnect, enableOfflineQueue, ...perNode } = settings;
  return new Cluster(
    nodes.map(({ host, port }) => ({ host, port })),
    {
      lazyConnect,
      enableOfflineQueue,
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: perNode.connectTimeout,
      redisOptions: {
        ...perNode,
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password }),
        ...(tls && { tls }),
      },
    },
  );
}
