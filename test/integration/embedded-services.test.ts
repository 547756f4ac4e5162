import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { Redis } from "ioredis";
import postgres from "postgres";
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { childrenOf, isAlive } from "../../src/dev/processes.ts";
import { startEmbeddedRedis } from "../../src/dev/redis-server.ts";
import { openServices } from "../../src/dev/services.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { StoreUnavailableError } from "../../src/domain/errors.ts";

/** A client that tries each statement once, so that a test sees what one caller would see. */
function postgresClient(url: string): postgres.Sql {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  onTestFinished(() => sql.end({ timeout: 0 }));
  return sql;
}

function redisClient(url: string, commandTimeout = 5_000): Redis {
  const redis = new Redis(url, { commandTimeout, maxRetriesPerRequest: 0, retryStrategy: null });
  redis.on("error", () => {}); // Commands report it as well.
  onTestFinished(() => redis.disconnect());
  return redis;
}

/** The parent and its children, as of now. */
function processesOf(server: EmbeddedServer): number[] {
  return [server.processId!, ...childrenOf(server.processId!)];
}

/** Something that holds a port of its own. */
async function occupiedPort(): Promise<number> {
  const holder: Server = createServer().listen({ port: 0, host: "127.0.0.1" });
  await once(holder, "listening");
  onTestFinished(() => void holder.close());
  const address = holder.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("an embedded PostgreSQL", () => {
  let server: EmbeddedServer;

  beforeAll(async () => {
    server = await startEmbeddedPostgres({ settings: { max_connections: 37 } });
    return () => server.close();
  });

  afterEach(() => server.start());

  test("is durable as in production, takes settings, and lets its user create databases", async () => {
    const sql = postgresClient(server.url);
    const [row] = await sql`select current_setting('fsync') fsync, current_setting('synchronous_commit') commit,
      current_setting('max_connections') connections, current_setting('server_encoding') encoding`;
    expect(row).toEqual({ fsync: "on", commit: "on", connections: "37", encoding: "UTF8" });
    await sql`create database another`;
    const another = new URL(server.url);
    another.pathname = "/another";
    expect(await postgresClient(another.href)`select current_database() name`).toEqual([{ name: "another" }]);
  });

  test("refuses a wrong password", async () => {
    const url = new URL(server.url);
    url.password = "wrong";
    await expect(postgresClient(url.href)`select 1`).rejects.toThrow("password authentication failed");
  });

  test("keeps what was committed through a kill, at the same address, and no process survives it", async () => {
    const sql = postgresClient(server.url);
    await sql`create table kept (value int)`;
    await sql`insert into kept values (1)`;
    const { url } = server;
    const processes = processesOf(server);
    expect(processes.length).toBeGreaterThan(3);
    await server.kill();
    expect(processes.filter(isAlive)).toEqual([]);
    expect(server.processId).toBeUndefined();
    await expect(postgresClient(url)`select 1`).rejects.toThrow("ECONNREFUSED");
    await server.restart();
    expect(server.url).toBe(url);
    expect(await postgresClient(url)`select value from kept`).toEqual([{ value: 1 }]);
    expect(server.readLog()).toContain("automatic recovery in progress");
  });

  test("stops in order, so that the next start has nothing to recover", async () => {
    const logBefore = server.readLog().length;
    const processes = processesOf(server);
    await server.stop();
    expect(processes.filter(isAlive)).toEqual([]);
    await server.stop();
    await server.start();
    expect(server.readLog().slice(logBefore)).not.toContain("automatic recovery");
    expect(await postgresClient(server.url)`select 1 one`).toEqual([{ one: 1 }]);
  });

  test("gives no answer while frozen, on open connections and new ones, and answers after the thaw", async () => {
    const open = postgresClient(server.url);
    await open`select 1`;
    await server.freeze();
    let answered = false;
    const pending = open`select 2 two`.then((rows) => {
      answered = true;
      return rows;
    });
    await expect(postgresClient(server.url)`select 1`).rejects.toThrow("CONNECT_TIMEOUT"); // After 1 s.
    expect(answered).toBe(false);
    await server.thaw();
    expect(await pending).toEqual([{ two: 2 }]);
  });

  test("can be killed and stopped while frozen", async () => {
    await server.freeze();
    const processes = processesOf(server);
    await server.kill();
    expect(processes.filter(isAlive)).toEqual([]);
    await server.start();
    await server.freeze();
    await server.stop();
    expect(server.processId).toBeUndefined();
  });

  test("is seen to have stopped when it ends by itself", async () => {
    process.kill(server.processId!, "SIGQUIT");
    await pollUntil("the end of the server", 30_000, () => server.processId === undefined);
    await server.start();
    expect(await postgresClient(server.url)`select 1 one`).toEqual([{ one: 1 }]);
  });
});

describe("an embedded Redis", () => {
  async function startRedis(options: Parameters<typeof startEmbeddedRedis>[0] = {}): Promise<EmbeddedServer> {
    const server = await startEmbeddedRedis(options);
    onTestFinished(() => server.close());
    return server;
  }

  test("asks for its password, takes settings, and forgets everything at a restart", async () => {
    const server = await startRedis({ settings: { maxmemory: "8mb" } });
    const redis = redisClient(server.url);
    expect(await redis.config("GET", "maxmemory")).toEqual(["maxmemory", "8388608"]);
    await redis.set("key", "value");
    await expect(redisClient(`redis://127.0.0.1:${server.port}`).get("key")).rejects.toThrow("NOAUTH");
    await server.restart();
    expect(await redisClient(server.url).get("key")).toBeNull();
  });

  test("keeps acknowledged writes through a kill when it is persistent", async () => {
    const server = await startRedis({ persistent: true });
    await redisClient(server.url).set("key", "value");
    const processes = processesOf(server);
    await server.kill();
    expect(processes.filter(isAlive)).toEqual([]);
    await server.start();
    expect(await redisClient(server.url).get("key")).toBe("value");
  });

  test("gives no answer while frozen and answers after the thaw", async () => {
    const server = await startRedis();
    const redis = redisClient(server.url, 2_000);
    await redis.ping();
    await server.freeze();
    await expect(redis.ping()).rejects.toThrow("Command timed out");
    await server.thaw();
    expect(await redisClient(server.url).ping()).toBe("PONG");
  });

  test("removes its folder when it is closed, and refuses to start again", async () => {
    const server = await startRedis();
    const processes = processesOf(server);
    expect(existsSync(server.folder)).toBe(true);
    await server.close();
    await server.close();
    expect(existsSync(server.folder)).toBe(false);
    expect(processes.filter(isAlive)).toEqual([]);
    await expect(server.start()).rejects.toThrow("the embedded redis server is closed");
  });
});

test("a port in use is reported with what the server said", async () => {
  const port = await occupiedPort();
  // One after the other: a start that fails while another is awaited would be a rejection without a handler.
  for (const start of [() => startEmbeddedRedis({ port }), () => startEmbeddedPostgres({ port })]) {
    const error: unknown = await start().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect((error as Error).message).toContain("Address already in use");
  }
});

test("a missing program is reported with what to do", async () => {
  const before = process.env.MNEMOSYNC_REDIS_SERVER;
  process.env.MNEMOSYNC_REDIS_SERVER = "/nowhere/redis-server";
  onTestFinished(() => {
    if (before === undefined) delete process.env.MNEMOSYNC_REDIS_SERVER;
    else process.env.MNEMOSYNC_REDIS_SERVER = before;
  });
  await expect(startEmbeddedRedis()).rejects.toThrow("run `node scripts/setup.mjs`");
});

describe("openServices", () => {
  test("takes both servers from the environment, starts none, and leaves them alone", async () => {
    const environment = { MNEMOSYNC_POSTGRES_URL: "postgres://elsewhere/db", MNEMOSYNC_REDIS_URL: "redis://elsewhere" };
    const services = await openServices({ environment });
    expect(services).toMatchObject({
      postgresUrl: "postgres://elsewhere/db",
      redisUrl: "redis://elsewhere",
      source: "environment",
    });
    await services.close();
  });

  test("starts only what the environment does not name", async () => {
    const environment = { MNEMOSYNC_POSTGRES_URL: "postgres://elsewhere/db", MNEMOSYNC_REDIS_URL: "" };
    const services = await openServices({ environment });
    onTestFinished(() => services.close());
    expect(services).toMatchObject({ postgresUrl: "postgres://elsewhere/db", source: "embedded" });
    expect(await redisClient(services.redisUrl).ping()).toBe("PONG");
  });
});
