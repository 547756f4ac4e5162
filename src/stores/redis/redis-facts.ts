import { Redis } from "ioredis";
import { StoreUnavailableError } from "../../domain/errors.ts";
import { createRedisClient } from "../../drivers/redis/redis-client.ts";
import { untilAborted } from "../../runtime/deadline.ts";

/** Facts that a Redis server reports about itself; null when it does not report one. */
export interface RedisFacts {
  /** The server's address in a cluster; null for a single server. */
  readonly server: string | null;
  readonly version: string | null;
  /** `master` accepts writes. */
  readonly role: string | null;
  readonly maxmemoryBytes: number | null;
  readonly usedMemoryBytes: number | null;
  readonly evictionPolicy: string | null;
  /** Whether data survives a restart. */
  readonly appendOnly: boolean | null;
  readonly lastSaveFailed: boolean;
}

/**
 * Queries the server at this URL, or every primary of a cluster, over dedicated connections.
 * @throws {StoreUnavailableError}
 */
export async function readRedisFacts(url: string, signal: AbortSignal): Promise<RedisFacts[]> {
  const redis = createRedisClient(url);
  try {
    await untilAborted(redis.connect(), signal);
    if (redis instanceof Redis) return [factsOf(await untilAborted(redis.info(), signal), null)];
    const asked = redis
      .nodes("master")
      .map(async (node) =>
        factsOf(await untilAborted(node.info(), signal), `${node.options.host}:${node.options.port}`),
      );
    return await Promise.all(asked);
  } catch (error) {
    throw new StoreUnavailableError("redis", (error as Error).message, { cause: error });
  } finally {
    redis.disconnect();
  }
}

function factsOf(text: string, server: string | null): RedisFacts {
  const info = fieldsOf(text);
  return {
    server,
    version: info.get("redis_version") ?? null,
    role: info.get("role") ?? null,
    maxmemoryBytes: numberOf(info.get("maxmemory")),
    usedMemoryBytes: numberOf(info.get("used_memory")),
    evictionPolicy: info.get("maxmemory_policy") ?? null,
    appendOnly: info.has("aof_enabled") ? info.get("aof_enabled") === "1" : null,
    lastSaveFailed: info.get("rdb_last_bgsave_status") === "err" || info.get("aof_last_write_status") === "err",
  };
}

function fieldsOf(info: string): Map<string, string> {
  return new Map(
    info.split("\r\n").flatMap((line) => {
      const colon = line.indexOf(":");
      return line.startsWith("#") || colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
    }),
  );
}

function numberOf(text: string | undefined): number | null {
  return text === undefined || text === "" ? null : Number(text);
}
