import { expect, onTestFinished, test } from "vitest";
import { MemorySynchronizer } from "../../src/index.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: once started, it finds and repairs by itself, in a stated time, and one node of all does it. */

const QUICK_LOOP = { consistencyCheckIntervalMs: 50, consistencySweepMs: 200, checkerLeaseMs: 10_000 };
const soon = { timeout: 60_000, interval: 50 };

const redisVersion = (world: World, memoryId: string) => world.redis.hget(world.redisKey(memoryId), "version");

test("drift in any store is repaired by the loop alone, and the status tells", async (t) => {
  const world = await openWorld(t, { settings: QUICK_LOOP });
  await world.fill(60);
  await world.sync.delete("m9");
  await world.redis.del(world.redisKey("m1"));
  await world.redis.hset(world.redisKey("m2"), "version", 7);
  await world.redis.set(world.redisKey("stranger"), "x");
  await world.redis.copy(world.redisKey("m3"), world.redisKey("m9"), "REPLACE");
  world.sync.start();
  await expect.poll(() => redisVersion(world, "m1"), soon).toBe("1");
  await expect.poll(() => redisVersion(world, "m2"), soon).not.toBe("7");
  await expect.poll(() => world.redis.exists(world.redisKey("stranger")), soon).toBe(0);
  await expect.poll(() => world.redis.hget(world.redisKey("m9"), "deleted"), soon).toBe("1");
  await expect
    .poll(async () => {
      const { consistency, lastCleanCheckAt } = await world.sync.status();
      const sweep = consistency?.checks.find(({ scope }) => scope === "sweep");
      return { open: consistency?.findings, swept: sweep?.lastCleanAt !== null, clean: lastCleanCheckAt !== null };
    }, soon)
    .toEqual({ open: [], swept: true, clean: true });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  const kept = await world.sql`select distinct kind from mnemosync.conflict_resolutions order by kind`;
  expect(kept.map(({ kind }) => kind)).toEqual(["ahead", "missing", "orphan", "resurrected"]);
});

test("a Redis that lost everything is filled again by the next pass, however long the sweep takes", async (t) => {
  const world = await openWorld(t, {
    faiss: false,
    ownRedis: true,
    settings: { ...QUICK_LOOP, consistencySweepMs: 86_400_000 },
  });
  await world.fill(300);
  world.sync.start();
  const swept = async () => {
    const { consistency } = await world.sync.status();
    return consistency?.checks.some(({ scope, finishedAt }) => scope === "quick" && finishedAt !== null);
  };
  await expect.poll(swept, soon).toBe(true);
  await world.redis.flushall();
  const held = async () => (await world.redisKeys()).filter((key) => key.includes(":memory:")).length;
  await expect.poll(held, soon).toBe(300);
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("kinds that are not to be repaired are reported and left alone", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { ...QUICK_LOOP, repairKinds: ["missing"] } });
  await world.fill(10);
  await world.redis.hset(world.redisKey("m2"), "version", 7);
  await world.redis.del(world.redisKey("m1"));
  world.sync.start();
  await expect.poll(() => redisVersion(world, "m1"), soon).toBe("1");
  const open = async () => (await world.sync.status()).consistency?.findings;
  await expect.poll(open, soon).toEqual([{ store: "redis", kind: "ahead", count: 1 }]);
  expect(await redisVersion(world, "m2")).toBe("7");
});

test("of two nodes one looks at the shared stores; when it ends, the other one goes on", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { ...QUICK_LOOP, nodeId: "first" } });
  const second = await MemorySynchronizer.connect({ ...world.connectOptions, nodeId: "second" });
  onTestFinished(() => second.close());
  await world.fill(10);
  const ledBy = async () => {
    const rows = await world.sql<{ holder: string }[]>`select holder from mnemosync.leases where name = 'checker'`;
    return rows[0]?.holder.split("/")[0];
  };
  world.sync.start();
  await expect.poll(ledBy, soon).toBe("first");
  second.start();
  const checkedBy = async () => {
    const { consistency } = await second.status();
    return consistency?.checks.filter(({ scope }) => scope === "quick").map(({ nodeId }) => nodeId);
  };
  await expect.poll(checkedBy, soon).toEqual(["first"]);
  await world.disconnect(); // In good order: the role is given back, and need not run out.
  await expect.poll(ledBy, soon).toBe("second");
  await world.redis.del(world.redisKey("m1"));
  await expect.poll(() => redisVersion(world, "m1"), soon).toBe("1");
  expect(await checkedBy()).toEqual(["first", "second"]);
});
