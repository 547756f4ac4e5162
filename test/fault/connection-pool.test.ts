import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import postgres from "postgres";
import { expect, inject, test, vi } from "vitest";
import { startEmbeddedRedis } from "../../src/dev/redis-server.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import type { RedisLink } from "../../src/drivers/redis/redis-client.ts";
import {
  ConnectionPoolManager,
  type ConnectionPoolOptions,
  type HealthStatus,
  MemorySynchronizer,
} from "../../src/index.ts";
import { FaultServers } from "../support/fault-servers.ts";
import { sampleMemories } from "../support/memories.ts";
import { startCluster, startSentinels } from "../support/redis-topologies.ts";
import { postgresUrl } from "../support/services.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { createTestDatabase } from "../support/template-database.ts";

/** Goal: the pools alone keep their promises: limits, deadlines, health, a breaker, and servers that come and go. */

vi.setConfig({ testTimeout: 240_000 });

type Test = { onTestFinished: (finish: () => Promise<void>) => void };

async function openPools(t: Test, options: Partial<ConnectionPoolOptions> = {}): Promise<ConnectionPoolManager> {
  const pools = await ConnectionPoolManager.open({
    postgresUrl: postgresUrl(),
    redisUrl: inject("redisUrl"),
    postgresConnectionsMin: 0,
    healthCheckIntervalMs: 400,
    reconnectIntervalMs: 100,
    ...options,
  });
  t.onTestFinished(() => pools.close());
  return pools;
}

/** The Redis of pools that have one. */
function redisOf(pools: ConnectionPoolManager): { link: RedisLink; health: NonNullable<HealthStatus["redis"]> } {
  const { redis: health } = pools.getHealthStatus();
  if (pools.redis === null || health === null) throw new Error("these pools have no Redis");
  return { link: pools.redis, health };
}

test("Postgres connections: the minimum is kept, the maximum waited for, the old ones replaced", async (t) => {
  const pools = await openPools(t, {
    postgresConnectionsMin: 3,
    postgresConnectionsMax: 4,
    connectionLifetimeMs: 5_000,
  });
  await pollUntil("the minimum", 30_000, () => pools.getHealthStatus().postgres.connections.idle === 3);
  let mostBusy = 0;
  const pids = await Promise.all(
    Array.from({ length: 20 }, () =>
      pools.withPostgres(async ({ sql, backend }) => {
        mostBusy = Math.max(mostBusy, pools.getHealthStatus().postgres.connections.busy);
        await pollUntil("all connections being busy at once", 30_000, () => mostBusy >= 4);
        await sql`select pg_sleep(0.02)`;
        return backend.pid;
      }),
    ),
  );
  expect(mostBusy).toBe(4);
  expect(new Set(pids).size).toBe(4);
  await pollUntil("the old ones' replacement", 30_000, () => {
    const { counts, connections } = pools.getHealthStatus().postgres;
    return counts.recycled >= 3 && connections.idle >= 3;
  });
  await pools.withPostgres(async ({ sql }) => void (await sql`select 1`));
});

test("Redis connections: one for all, others for a piece of work each, the maximum waited for", async (t) => {
  const pools = await openPools(t, { redisConnectionsMax: 3 });
  const key = `pool-test-${randomBytes(4).toString("hex")}`;
  let mostBusy = 0;
  const ids = await Promise.all(
    Array.from({ length: 10 }, () =>
      pools.withRedis(async (client) => {
        mostBusy = Math.max(mostBusy, redisOf(pools).health.connections.busy);
        await pollUntil("both being busy at once", 30_000, () => mostBusy >= 2);
        return await (client as Redis).client("ID");
      }),
    ),
  );
  expect(mostBusy).toBe(2); // The third is the shared one.
  expect(new Set(ids).size).toBeLessThanOrEqual(2);
  expect(ids).not.toContain(await (redisOf(pools).link as Redis).client("ID"));
  // A connection that was left in the midst of something is not given to the next one.
  const failure = pools.withRedis(async (client) => {
    await client.watch(key);
    throw new Error("in the midst");
  });
  await expect(failure).rejects.toThrow("in the midst");
  expect(redisOf(pools).health.counts.lost).toBe(1);
});

test("calls end by their deadline, however long the server takes, and the connection does not go on being used", async (t) => {
  const pools = await openPools(t);
  const slow = pools.withPostgres(({ sql }) => sql`select pg_sleep(30)`.execute(), { timeoutMs: 100 });
  await expect(slow).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", store: "postgres" });
  const blocked = pools.withRedis((client) => client.blpop(`nothing-${randomBytes(4).toString("hex")}`, 30), {
    timeoutMs: 100,
  });
  await expect(blocked).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", store: "redis" });
  const controller = new AbortController();
  const aborted = pools.withPostgres(({ sql }) => sql`select pg_sleep(30)`.execute(), { signal: controller.signal });
  setTimeout(() => controller.abort(), 20);
  await expect(aborted).rejects.toMatchObject({ code: "ABORTED" });
  const { postgres: pg, redis } = pools.getHealthStatus();
  expect([pg.connections.busy, redis?.connections.busy]).toEqual([0, 0]);
});

test("servers that are restarted, and links that are cut, are used again without help", async (t) => {
  const servers = await FaultServers.start();
  t.onTestFinished(() => servers.close());
  const pools = await openPools(t, {
    postgresUrl: servers.postgresProxy.through(servers.postgres.url),
    redisUrl: servers.redisProxy.through(servers.redis.url),
  });
  const changes: string[] = [];
  pools.on("health", ({ store, to }) => changes.push(`${store} ${to}`));
  await pools.checkHealth();
  expect(pools.getHealthStatus().state).toBe("healthy");
  const faults: [() => Promise<void>, () => Promise<void>][] = [
    [async () => void (await Promise.all([servers.postgres.stop(), servers.redis.stop()])), () => servers.heal()],
    [
      async () => void (await Promise.all([servers.postgresProxy.refuse(), servers.redisProxy.refuse()])),
      () => servers.heal(),
    ],
    [
      async () => {
        servers.postgresProxy.blackHole();
        servers.redisProxy.blackHole();
      },
      () => servers.heal(),
    ],
  ];
  for (const [begin, end] of faults) {
    await begin();
    await pollUntil("both to be down", 30_000, () => {
      const { postgres: pg, redis } = pools.getHealthStatus();
      return pg.state === "down" && redis?.state === "down";
    });
    // The breaker: refused at once, without a connection.
    const { busy } = pools.getHealthStatus().postgres.connections;
    await expect(pools.withPostgres(async () => "reached")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(pools.withRedis(async () => "reached")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(pools.getHealthStatus().postgres.connections.busy).toBeLessThanOrEqual(busy);
    await end();
    await pollUntil("both to be healthy", 30_000, () => pools.getHealthStatus().state === "healthy");
    const [row] = await pools.withPostgres(({ sql }) => sql<{ one: number }[]>`select 1 as one`.execute());
    expect(row?.one).toBe(1);
    expect(await pools.withRedis((client) => client.ping())).toBe("PONG");
    expect(await redisOf(pools).link.ping()).toBe("PONG");
  }
  for (const store of ["postgres", "redis"]) {
    expect(changes.filter((change) => change === `${store} down`)).toHaveLength(faults.length);
    expect(changes.filter((change) => change === `${store} healthy`).length).toBeGreaterThanOrEqual(faults.length);
  }
});

test("of several Postgres servers the first that answers and takes writes is used, and the next one once it is gone", async (t) => {
  const database = await createTestDatabase(postgresUrl(), { empty: true });
  const admin = postgres(postgresUrl(), { max: 1, onnotice: () => undefined });
  const writable = await createTestDatabase(postgresUrl(), { empty: true });
  t.onTestFinished(async () => {
    await admin.end({ timeout: 1 });
    await Promise.all([database.drop(), writable.drop()]);
  });
  const port = Number(new URL(postgresUrl()).port);
  const [first, second] = await Promise.all([TcpProxy.start(port), TcpProxy.start(port)]);
  t.onTestFinished(async () => void (await Promise.all([first.close(), second.close()])));
  const url = new URL(database.url);
  const hosts = `127.0.0.1:1,127.0.0.1:${first.port},127.0.0.1:${second.port}`;
  const several = database.url.replace(url.host, hosts);
  const pools = await openPools(t, { postgresUrl: `${several}?target_session_attrs=read-write` });
  const ask = () => pools.withPostgres(({ sql }) => sql`select 1`.execute());
  await ask();
  expect(first.connections).toBeGreaterThan(0);
  expect(second.connections).toBe(0);
  await first.refuse();
  await pollUntil("the second server", 30_000, () =>
    ask().then(
      () => true,
      () => false,
    ),
  );
  expect(second.connections).toBeGreaterThan(0);
  // Nobody may write any more, so no server will do.
  const name = url.pathname.slice(1);
  await admin.unsafe(`alter database ${name} set default_transaction_read_only = on`);
  await admin`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${name}`;
  await pollUntil("the refusal", 30_000, async () => {
    const error = await ask().then(
      () => null,
      (reason: Error) => reason,
    );
    return error?.message.includes("target_session_attrs") ?? false;
  });
});

test("behind sentinels, the replica is used once it was made the primary", async (t) => {
  const redis = await startSentinels();
  t.onTestFinished(() => redis.close());
  const pools = await openPools(t, { redisUrl: redis.url });
  // On a connection of its own: WAIT blocks it, by up to the second between a replica's reports, and a shared link that
  // does not answer for so long is taken for dead.
  const replicated = await pools.withRedis(async (client) => {
    await client.set("key", "before");
    return await (client as Redis).wait(1, 30_000);
  });
  expect(replicated).toBe(1);
  await redis.primary.kill();
  await pollUntil("the fail-over", 60_000, async () => {
    const answer = await redisOf(pools)
      .link.set("key", "after")
      .catch(() => null);
    return answer === "OK";
  });
  expect(await redisOf(pools).link.get("key")).toBe("after");
  await pollUntil("its health", 30_000, () => redisOf(pools).health.state === "healthy");
  expect(await pools.withRedis(async (client) => (await (client as Redis).role())[0])).toBe("master");
});

test("a synchronizer on a Redis cluster writes, reads, checks and repairs, over both of its servers", async (t) => {
  const cluster = await startCluster();
  t.onTestFinished(() => cluster.close());
  const database = await createTestDatabase(postgresUrl());
  t.onTestFinished(() => database.drop());
  const sync = await MemorySynchronizer.connect({
    postgresUrl: database.url,
    redisUrl: cluster.url,
    prepareTimeoutMs: 5_000,
    publishTimeoutMs: 5_000,
    retriesMax: 0,
  });
  t.onTestFinished(() => sync.close());
  const outcomes = await sync.syncBatch(sampleMemories(300, 8));
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["synced"]));
  expect(await sync.get("m7")).toMatchObject({ source: "redis" });
  expect((await sync.status()).stores.redis).toMatchObject({ state: "healthy", memories: 300 });
  expect(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 300 });
  await cluster.servers[0]?.kill();
  expect(await sync.syncMemory("while-half-is-gone", { content: "x", memoryType: "t" })).toMatchObject({
    status: "degraded",
  });
  await cluster.servers[0]?.start(); // Without what it held: it kept nothing on disk.
  await pollUntil("the cluster", 60_000, async () => (await sync.status()).stores.redis?.state === "healthy");
  await sync.backlog.drain();
  const report = await sync.checkConsistency();
  expect(report.findings.length).toBeGreaterThan(50);
  expect(new Set(report.findings.map(({ kind }) => kind))).toEqual(new Set(["missing"]));
  expect(await sync.repairInconsistencies(report)).toMatchObject({ failed: 0, deferred: 0 });
  expect(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 301 });
});

test("a Redis that is not there at the start is used once it is; Postgres must be there", async (t) => {
  const redis = await startEmbeddedRedis();
  t.onTestFinished(() => redis.close());
  await redis.stop();
  const pools = await openPools(t, { redisUrl: redis.url });
  expect(redisOf(pools).health.connections.shared).toBe(0);
  await redis.start();
  await pollUntil("Redis", 30_000, () => redisOf(pools).health.state === "healthy");
  const missing = ConnectionPoolManager.open({
    postgresUrl: "postgres://nobody@127.0.0.1:1/none",
    redisUrl: redis.url,
  });
  await expect(missing).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", store: "postgres" });
});

test("without a Redis there is none to use, to check or to close, and Postgres serves alone", async (t) => {
  const pools = await openPools(t, { redisUrl: null });
  expect(pools.redis).toBeNull();
  await expect(pools.withRedis(async () => "reached")).rejects.toMatchObject({ code: "CONFIGURATION" });
  const health = await pools.checkHealth();
  expect(health).toMatchObject({ state: "healthy", postgres: { state: "healthy" }, redis: null });
  expect(pools.services.map(({ name }) => name).sort()).toEqual(["connections", "health:postgres"]);
  await pools.close();
  expect(pools.services.map((service) => service.status().state)).toEqual(["stopped", "stopped"]);
});
