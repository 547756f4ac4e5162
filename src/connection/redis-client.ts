import { Redis } from "ioredis";
import type { Log } from "../observability/log.ts";

export interface RedisClientOptions {
  /** Milliseconds for establishing the connection. @default 5_000 */
  connectTimeoutMs?: number;
  /** Milliseconds between attempts to reconnect, at most; they begin at 50. @default 5_000 */
  reconnectDelayMaxMs?: number;
}

/**
 * A client as the projection wants it: it fails at once while the server is away instead of gathering commands, never
 * repeats a command on its own, reconnects for ever, and leaves a replica that was a primary before a failover.
 */
export function createRedisClient(url: string, options: RedisClientOptions = {}, log?: Log): Redis {
  const { connectTimeoutMs = 5_000, reconnectDelayMaxMs = 5_000 } = options;
  // A replica stays one until the failover is through: a new link for every refusal would only hide why it was refused.
  let reconnectedAt = Number.NEGATIVE_INFINITY;
  const mayReconnect = (): boolean => {
    const due = performance.now() - reconnectedAt >= reconnectDelayMaxMs;
    if (due) reconnectedAt = performance.now();
    return due;
  };
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    disconnectTimeout: 50, // A link that is not up yet has nothing to say on its way out.
    maxRetriesPerRequest: 0,
    enableAutoPipelining: false,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), reconnectDelayMaxMs),
    reconnectOnError: (error) => (error.message.includes("READONLY") && mayReconnect() ? 1 : false),
  });
  // The driver's own time-out ends with the TCP connection: a server that accepts it and says nothing would be waited for
  // for ever.
  let handshake: NodeJS.Timeout | undefined;
  client.on("connect", () => {
    handshake = setTimeout(() => client.disconnect(true), connectTimeoutMs).unref();
  });
  for (const settled of ["ready", "close", "end"]) client.on(settled, () => clearTimeout(handshake));
  // Without a listener the client prints to the console. Calls report their own failures; this is the link's story.
  client.on("error", (error: Error) => log?.debug({ error: error.message }, "redis.link_error"));
  return client;
}
