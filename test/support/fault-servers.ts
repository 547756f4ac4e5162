import { Redis } from "ioredis";
import postgres from "postgres";
import { afterAll, beforeAll } from "vitest";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { type EmbeddedRedisOptions, startEmbeddedRedis } from "../../src/dev/redis-server.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** A PostgreSQL and a Redis that belong to one test file, each behind a proxy, to be hurt at will. */
export class FaultServers {
  readonly postgres: EmbeddedServer;
  readonly redis: EmbeddedServer;
  readonly postgresProxy: TcpProxy;
  readonly redisProxy: TcpProxy;

  private constructor(parts: Pick<FaultServers, "postgres" | "redis" | "postgresProxy" | "redisProxy">) {
    this.postgres = parts.postgres;
    this.redis = parts.redis;
    this.postgresProxy = parts.postgresProxy;
    this.redisProxy = parts.redisProxy;
  }

  /** Redis keeps what it acknowledged over a kill, unless told otherwise. */
  static async start(redisOptions: EmbeddedRedisOptions = {}): Promise<FaultServers> {
    const [postgresServer, redis] = await Promise.all([
      // Processes are killed here, never the machine: what was written to a file stays, synced or not.
      startEmbeddedPostgres({ settings: { max_connections: 200, fsync: "off", full_page_writes: "off" } }),
      startEmbeddedRedis({ persistent: true, ...redisOptions }),
    ]);
    const [postgresProxy, redisProxy] = await Promise.all([
      TcpProxy.start(postgresServer.port),
      TcpProxy.start(redis.port),
    ]);
    return new FaultServers({ postgres: postgresServer, redis, postgresProxy, redisProxy });
  }

  /** Ends whatever fault stands; resolves once both servers answer. */
  async heal(): Promise<void> {
    await Promise.all([this.postgres.thaw(), this.redis.thaw()]);
    await Promise.all([this.postgres.start(), this.redis.start()]);
    await Promise.all([this.postgresProxy.pass(), this.redisProxy.pass()]);
    await pollUntil("the servers' answers", 30_000, () => this.#answer());
  }

  async close(): Promise<void> {
    await Promise.all([this.postgresProxy.close(), this.redisProxy.close()]);
    await Promise.all([this.postgres.close(), this.redis.close()]);
  }

  async #answer(): Promise<boolean> {
    const sql = postgres(this.postgres.url, { max: 1, connect_timeout: 2, onnotice: () => undefined });
    const redis = new Redis(this.redis.url, { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
    redis.on("error", () => undefined);
    try {
      await Promise.all([sql`select 1`.execute(), redis.connect().then(() => redis.ping())]);
      return true;
    } catch {
      return false;
    } finally {
      redis.disconnect();
      await sql.end({ timeout: 1 });
    }
  }
}

/** Servers that the tests of a file share. */
export function faultServers(redisOptions: EmbeddedRedisOptions = {}): { readonly current: FaultServers } {
  let servers: FaultServers | null = null;
  beforeAll(async () => {
    servers = await FaultServers.start(redisOptions);
  });
  afterAll(async () => {
    await servers?.close();
  });
  return {
    get current() {
      if (servers === null) throw new Error("the servers start before the first test, not earlier");
      return servers;
    },
  };
}
