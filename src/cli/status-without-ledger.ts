import { resolve } from "node:path";
import { parseOptions } from "../config/parse.ts";
import { createRedisClient } from "../drivers/redis/redis-client.ts";
import { NO_REDIS } from "../drivers/settings.ts";
import type { Options, Status } from "../index.ts";
import { untilAborted, withDeadline } from "../runtime/deadline.ts";
import { inspectDirectory } from "../stores/faiss/snapshots/inspect-directory.ts";
import { RedisProjection } from "../stores/redis/redis-projection.ts";
import { redisProjectionOptions } from "../stores/redis/settings.ts";
import { describeError } from "./exit.ts";

type StoreStatus = Status["stores"][string];

/** Milliseconds that a store has to answer. */
const ANSWER_MAX_MS = 10_000;

/**
 * The status while PostgreSQL is away: what Redis says, and what the folder of the index holds. The backlog and the checks
 * stand in the ledger, so they are unknown.
 * @param reason why the ledger cannot be asked.
 */
export async function storesWithoutLedger(
  given: Options,
  reason: string,
  signal: AbortSignal,
): Promise<Status["stores"]> {
  const options = parseOptions(given);
  const { redisUrl, faiss } = options;
  const [redis, index] = await Promise.all([
    redisUrl === NO_REDIS ? null : redisStatus(options, signal),
    faiss === undefined ? null : indexStatus(faiss.directory),
  ]);
  return {
    postgres: { state: "down", memories: null, reason },
    ...(redis !== null && { redis }),
    ...(index !== null && { faiss: index }),
  };
}

async function redisStatus(options: ReturnType<typeof parseOptions>, signal: AbortSignal): Promise<StoreStatus> {
  const client = createRedisClient(options.redisUrl);
  client.on("error", () => undefined); // The calls below report it.
  const projection = new RedisProjection(client, {
    ...redisProjectionOptions(options),
    nodeId: "status",
    ownsClient: true,
  });
  try {
    return await withDeadline(ANSWER_MAX_MS, signal, async (deadline) => {
      await untilAborted(client.connect(), deadline);
      const { state, reason } = await projection.health(deadline);
      return { state, memories: await projection.count(deadline), ...(reason !== undefined && { reason }) };
    });
  } catch (error) {
    return { state: "down", memories: null, reason: describeError(error).message };
  } finally {
    client.disconnect();
  }
}

/** The index itself needs the ledger to start. */
async function indexStatus(directory: string): Promise<StoreStatus> {
  try {
    const { explanation } = await inspectDirectory(resolve(directory));
    return { state: "down", memories: null, reason: `not started, it needs PostgreSQL; ${explanation.join("; ")}` };
  } catch (error) {
    return { state: "down", memories: null, reason: describeError(error).message };
  }
}
