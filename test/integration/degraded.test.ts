import postgres from "postgres";
import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { unitVector } from "../support/memories.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: with Redis away, writes go on, and nobody is told that Redis has what it has not. */

/** Tries one memory until Redis is used again: its breaker is probed once a second. */
async function untilRedisIsBack(world: World): Promise<void> {
  let turn = 0;
  await pollUntil("Redis being used again", 30_000, async () => {
    const outcome = await world.put(world.memory(9_999, { content: `turn ${turn++}` }));
    return outcome.stores.redis === "applied";
  });
}

test("a write without Redis is degraded, and the queue and the views name what Redis lacks", async (t) => {
  const world = await openWorld(t, { ownRedis: { persistent: true }, settings: { retryDelayMs: 1 } });
  await world.fill(5);
  await world.redisServer?.stop();

  const changed = await world.put(world.memory(1, { content: "changed" }));
  expect(changed).toMatchObject({
    version: 2,
    status: "degraded",
    stores: { postgres: "applied", redis: "pending", faiss: "applied" },
    transactionId: expect.any(String),
  });
  expect(changed.error).toBeUndefined();
  const batch = await world.sync.syncBatch(world.memories(20, 10));
  expect(batch.every(({ status, stores }) => status === "degraded" && stores.redis === "pending")).toBe(true);
  expect(await world.sync.delete("m2")).toMatchObject({ version: 2, status: "degraded", stores: { redis: "pending" } });

  // What was written is there, from the ledger and the index.
  expect(await world.sync.get("m1")).toMatchObject({ version: 2, content: "changed", source: "postgres" });
  expect(await world.sync.get("m2")).toBeNull();
  const [nearest] = await world.sync.search(unitVector(15, 8), { k: 1 });
  expect(nearest?.memory).toMatchObject({ memoryId: "m15", source: "postgres" });

  const queued =
    await world.sql`select store, node_id, memory_id, attempts from mnemosync.sync_queue order by memory_id`;
  expect(queued.map((row) => ({ ...row }))).toEqual(
    ["m1", "m2", ...world.memories(20, 10).map(({ memoryId }) => memoryId)]
      .sort()
      .map((memory_id) => ({ store: "redis", node_id: "", memory_id, attempts: 0 })),
  );
  const states = async () => {
    const rows = await world.sql`
      select memory_id, status, store_versions from mnemosync.v_memory_sync_status
      where memory_id in ('m0', 'm1', 'm2', 'm10') order by memory_id`;
    return rows.map((row) => ({ ...row }));
  };
  await expect.poll(states).toEqual([
    { memory_id: "m0", status: "synced", store_versions: { redis: 1, faiss: 1 } },
    { memory_id: "m1", status: "degraded", store_versions: { faiss: 2 } },
    { memory_id: "m10", status: "degraded", store_versions: { faiss: 1 } },
    { memory_id: "m2", status: "degraded", store_versions: { faiss: 2 } },
  ]);
  const status = await world.sync.status();
  expect(status).toMatchObject({
    stores: { postgres: { memories: 24 }, redis: { state: "down", memories: null }, faiss: { memories: 24 } },
    backlog: { pending: 22, failed: 0, dead: 0 },
  });
  expect(status.stores.redis?.reason).toMatch(/redis is unavailable/);

  await world.redisServer?.start();
  await untilRedisIsBack(world);
});

test("a check while Redis is away claims nothing; once it is back, it names what is missing, and a repair ends it", async (t) => {
  const world = await openWorld(t, {
    ownRedis: { persistent: true },
    settings: { retryDelayMs: 1, publishDeadlineMs: 100 },
  });
  await world.fill(5);
  await world.redisServer?.stop();
  await world.sync.syncBatch(world.memories(6)); // Five unchanged, one new.
  await world.put(world.memory(1, { content: "changed" }));
  await world.sync.delete("m2");
  await expect(world.sync.checkConsistency()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", store: "redis" });
  await world.redisServer?.start();
  await untilRedisIsBack(world);
  // Once the queue's rows are overdue, they excuse nothing any more.
  await pollUntil("the rows being overdue", 30_000, async () => {
    const rows = await world.sql`
      select 1 from mnemosync.sync_queue where enqueued_at > clock_timestamp() - interval '110 milliseconds'`;
    return rows.length === 0;
  });
  const report = await world.sync.checkConsistency();
  const found = report.findings.map(({ memoryId, store, kind, expectedVersion, foundVersion }) => ({
    memoryId,
    store,
    kind,
    versions: [expectedVersion, foundVersion],
  }));
  expect(found.toSorted((a, b) => a.memoryId.localeCompare(b.memoryId))).toEqual([
    { memoryId: "m1", store: "redis", kind: "stale", versions: [2, 1] },
    { memoryId: "m2", store: "redis", kind: "resurrected", versions: [2, 1] },
    { memoryId: "m5", store: "redis", kind: "missing", versions: [1, null] },
  ]);
  expect(await world.sync.repairInconsistencies(report)).toMatchObject({ repaired: 3, failed: 0, deferred: 0 });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("what is queued and not overdue is on its way, not drift", async (t) => {
  const world = await openWorld(t, { ownRedis: { persistent: true }, faiss: false, settings: { retryDelayMs: 1 } });
  await world.redisServer?.stop();
  await world.sync.syncBatch(world.memories(30));
  await world.redisServer?.start();
  await untilRedisIsBack(world);
  for (const scope of ["full", "deep"] as const) {
    expect(await world.sync.checkConsistency({ scope })).toMatchObject({ clean: true, findings: [] });
  }
});

test("Redis may be away when the synchronizer connects, and is used once it is there", async (t) => {
  const world = await openWorld(t, { ownRedis: { persistent: true }, faiss: false, settings: { retryDelayMs: 1 } });
  await world.disconnect();
  await world.redisServer?.stop();
  await world.connect();
  expect(await world.put(world.memory(1))).toMatchObject({ status: "degraded", stores: { redis: "pending" } });
  await world.redisServer?.start();
  await untilRedisIsBack(world);
  // A link that comes back behind the write takes the trust away again until Redis was looked at once more.
  await pollUntil("a read from Redis", 30_000, async () => (await world.sync.get("m9999"))?.source === "redis");
});

test("a silent Redis delays a read by no more than its cache time-out, and a write by its deadlines", async (t) => {
  const world = await openWorld(t, {
    ownRedis: true,
    faiss: false,
    settings: { retryDelayMs: 1, retriesMax: 0, cacheTimeoutMs: 100, prepareTimeoutMs: 200, publishTimeoutMs: 200 },
  });
  await world.fill(2);
  await world.redisServer?.freeze();
  const startedAt = performance.now();
  expect(await world.sync.get("m1")).toMatchObject({ source: "postgres" });
  expect(await world.put(world.memory(3))).toMatchObject({ status: "degraded" });
  // Generous on a busy machine, and still far below what the calls may take altogether.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  await world.redisServer?.thaw();
  await untilRedisIsBack(world);
});

test("with Postgres away, reads go on from Redis, and writes are refused and leave no trace", async (t) => {
  const world = await openWorld(t, { settings: { retryDelayMs: 1, retriesMax: 1 } });
  await world.fill(3);
  const before = await world.footprint();
  const name = new URL(world.databaseUrl).pathname.slice(1);
  const admin = new URL(world.databaseUrl);
  admin.pathname = "/postgres";
  const server = postgres(admin.href, { max: 1, onnotice: () => undefined });
  t.onTestFinished(() => server.end({ timeout: 1 }));
  // As good as gone: nobody may connect, and who was connected is thrown out.
  await server.unsafe(`alter database ${name} allow_connections false`);
  await server`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${name}`;
  expect(await world.sync.get("m1")).toMatchObject({ content: "memory number 1", source: "redis" });
  const [nearest] = await world.sync.search(unitVector(2, 8), { k: 1 });
  expect(nearest?.memory).toMatchObject({ memoryId: "m2", source: "redis" });
  await expect(world.put(world.memory(1, { content: "changed" }))).rejects.toMatchObject({ store: "postgres" });
  await expect(world.sync.delete("m2")).rejects.toMatchObject({ store: "postgres" });
  const [outcome] = await world.sync.syncBatch([world.memory(50)]);
  expect(outcome).toMatchObject({ status: "failed", error: { store: "postgres" } });
  expect((await world.sync.status()).stores.postgres).toMatchObject({ state: "down", memories: null });
  await server.unsafe(`alter database ${name} allow_connections true`);
  await pollUntil("Postgres being used again", 30_000, async () =>
    (await world.sync.syncBatch([world.memory(0)])).every(({ status }) => status === "unchanged"),
  );
  expect(await world.footprint()).toEqual(before);
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("connecting to a Postgres that is not there fails, names it, and leaves nothing open", async (t) => {
  const world = await openWorld(t);
  await world.disconnect();
  const postgresUrl = "postgres://nobody:nothing@127.0.0.1:1/none";
  await expect(MemorySynchronizer.connect({ ...world.connectOptions, postgresUrl })).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
    store: "postgres",
  });
  await world.connect(); // The folder's lock was given back.
  expect(await world.put(world.memory(1))).toMatchObject({ status: "synced" });
});
