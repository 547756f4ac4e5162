import { expect, onTestFinished, test } from "vitest";
import { MemorySynchronizer } from "../../src/index.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: a Redis that comes back with an older data set is noticed, and nothing of it is shown. Method: a real server with
 * a saved RDB, killed after more was written, and a second node that has not written anything itself.
 */

const soon = { timeout: 60_000, interval: 20 };
const QUICK = {
  syncIntervalMs: 100,
  consistencyCheckIntervalMs: 300,
  checkerLeaseMs: 600,
  consistencySweepMs: 86_400_000,
};

async function openPast(t: Parameters<typeof openWorld>[0]): Promise<{ world: World; reader: MemorySynchronizer }> {
  const world = await openWorld(t, { faiss: false, ownRedis: { settings: { save: "3600 1" } }, settings: QUICK });
  const reader = await MemorySynchronizer.connect({ ...world.connectOptions, nodeId: "reader" });
  onTestFinished(() => reader.close());
  await world.fill(20);
  return { world, reader };
}

/** One leader's pass over a healthy Redis: it is confirmed. */
async function untilConfirmed(world: World): Promise<void> {
  await expect
    .poll(async () => (await world.sql`select 1 from mnemosync.stores where compared_at is not null`).length, soon)
    .toBe(1);
}

test("after a restart from an old RDB no read of another node shows what it holds, and it is put right at once", async (t) => {
  const { world, reader } = await openPast(t);
  world.sync.start();
  await untilConfirmed(world);
  await world.redis.save();
  await world.put(world.memory(0, { content: "second" }));
  await world.sync.delete("m1");
  expect(await reader.get("m0")).toMatchObject({ content: "second", source: "redis" });
  await world.redisServer?.kill();
  await world.redisServer?.start();
  expect(await world.redis.hget(world.redisKey("m0"), "data")).toContain("memory number 0");
  // A node without version floors of its own: what it shows comes from proof alone.
  const fresh = await MemorySynchronizer.connect({ ...world.connectOptions, nodeId: "fresh" });
  onTestFinished(() => fresh.close());
  const seen = new Set<string>();
  await expect
    .poll(async () => {
      let source: string | undefined;
      for (const node of [reader, fresh]) {
        const [m0, m1] = await Promise.all([node.get("m0"), node.get("m1")]);
        seen.add(`${m0?.content} ${m1?.content}`);
        source = m0?.source;
      }
      return source;
    }, soon)
    .toBe("redis");
  expect([...seen]).toEqual(["second undefined"]);
  expect(await world.redis.hget(world.redisKey("m0"), "version")).toBe("2");
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("without a leader nothing of an older Redis is shown, until a clean check confirms it", async (t) => {
  const { world, reader } = await openPast(t);
  await world.sync.checkConsistency();
  await world.redis.save();
  await world.put(world.memory(0, { content: "second" }));
  await world.redisServer?.kill();
  await world.redisServer?.start();
  await expect.poll(async () => (await world.redis.ping().catch(() => "")) === "PONG", soon).toBe(true);
  expect(await world.redis.hget(world.redisKey("m0"), "data")).toContain("memory number 0");
  // With its link up again: it could read the older Redis, and does not.
  await expect.poll(async () => (await reader.status()).stores.redis?.state, soon).toBe("healthy");
  for (let turn = 0; turn < 20; turn++)
    expect(await reader.get("m0")).toMatchObject({ content: "second", source: "postgres" });
  // The check needs the link of its own node, which comes back by itself.
  await expect.poll(async () => (await world.sync.status()).stores.redis?.state, soon).toBe("healthy");
  const report = await world.sync.checkConsistency();
  expect(report.byMemory).toEqual({ m0: ["redis"] });
  await world.sync.repairInconsistencies(report);
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true });
  await expect.poll(async () => (await reader.get("m0"))?.source, soon).toBe("redis");
});

test("a Redis emptied before any leader saw it is filled at once, not miss by miss", async (t) => {
  const events: string[] = [];
  const write = (_fields: unknown, event?: string): void => void events.push(String(event));
  const log = { debug: write, info: write, warn: write, error: write, child: () => log };
  const world = await openWorld(t, { faiss: false, ownRedis: true, settings: { ...QUICK, log: log as never } });
  await world.fill(300);
  await world.redis.flushall();
  world.sync.start();
  const held = async () => (await world.redisKeys()).filter((key) => key.includes(":memory:")).length;
  await expect.poll(held, soon).toBe(300);
  await expect.poll(() => events, soon).toContain("repair.store_refilled");
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("a mark that is older than the one left last tells of a store that went back in the same life", async (t) => {
  const world = await openWorld(t, { faiss: false, ownRedis: true });
  await world.fill(3);
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true });
  const brand = await world.redis.hgetall(`${world.prefix}:owner`);
  const old = await world.redis.hgetall(world.redisKey("m0"));
  await world.put(world.memory(0, { content: "second" }));
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true });
  // As a virtual machine that is put back: the process is the same one.
  await world.redis
    .multi()
    .del(world.redisKey("m0"))
    .hset(world.redisKey("m0"), old)
    .hset(`${world.prefix}:owner`, brand)
    .exec();
  const reader = await MemorySynchronizer.connect({ ...world.connectOptions, nodeId: "reader" });
  onTestFinished(() => reader.close());
  expect(await reader.get("m1")).toMatchObject({ source: "postgres" });
});
