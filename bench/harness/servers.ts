import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { startEmbeddedRedis } from "../../src/dev/redis-server.ts";

/** The servers of one run: always its own, since they are emptied between scenarios. */
export interface BenchServers {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  close(): Promise<void>;
}

/** PostgreSQL as it comes, fsync and synchronous_commit on. Redis as it comes, in memory alone. */
export async function startServers(): Promise<BenchServers> {
  const started: EmbeddedServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.close()));
  };
  try {
    const postgres = await startEmbeddedPostgres();
    started.push(postgres);
    const redis = await startEmbeddedRedis();
    started.push(redis);
    return { postgresUrl: postgres.url, redisUrl: redis.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}
