import { expect, test } from "vitest";
import { openWorld, type World } from "../support/world.ts";

/** Goal: entries of another layout in Redis are cache misses that are refilled: shown by nothing, and never drift. */

/** Makes an entry look as a program with another layout would have written it. */
async function setOther(world: World, memoryId: string, version: number): Promise<void> {
  const key = world.redisKey(memoryId);
  await world.redis.del(key);
  await world.redis.hset(key, { format: "2", version: String(version), body: "packed" });
}

test("get and search go to the ledger for another layout, and the next write puts it right", async (t) => {
  const world = await openWorld(t);
  await world.fill(3);
  await setOther(world, "m1", 1);
  expect(await world.sync.get("m1")).toMatchObject({ content: world.memory(1).content, source: "postgres" });
  expect(await world.sync.get("m2")).toMatchObject({ source: "redis" });
  const hits = await world.sync.search(world.memory(1).embedding as number[], { k: 3 });
  expect(hits.map(({ memory }) => memory.memoryId).sort()).toEqual(["m0", "m1", "m2"]);
  expect(await world.put({ ...world.memory(1), content: "second" })).toMatchObject({ version: 2, status: "synced" });
  expect(await world.sync.get("m1")).toMatchObject({ content: "second", source: "redis" });
});

test.for(["full", "deep"] as const)("a %s check counts other layouts as misses, and refills them", async (scope, t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(20);
  await world.sync.delete("m19");
  await setOther(world, "m1", 1);
  await setOther(world, "m2", 1);
  await setOther(world, "m19", 1); // Deleted: nothing of it is missed.
  await setOther(world, "unknown", 4); // Of no memory: it is left alone.
  const report = await world.sync.checkConsistency({ scope });
  expect(report).toMatchObject({ clean: true, findings: [], misses: 2 });
  expect(await world.sync.get("m1")).toMatchObject({ content: world.memory(1).content, source: "redis" });
  expect(await world.redis.hget(world.redisKey("unknown"), "format")).toBe("2");
  expect(await world.sync.checkConsistency({ scope })).toMatchObject({ clean: true, misses: 0 });
});

test("a newer version in another layout is not shown; a write under it is settled by a repair", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(2);
  await setOther(world, "m1", 9);
  expect(await world.sync.get("m1")).toMatchObject({ version: 1, source: "postgres" });
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true, misses: 1 });
  expect(await world.put({ ...world.memory(1), content: "second" })).toMatchObject({
    version: 2,
    stores: { redis: "pending" },
  });
  expect(await world.sync.get("m1")).toMatchObject({ content: "second", source: "postgres" });
  await world.sync.backlog.drain();
  expect(await world.sync.get("m1")).toMatchObject({ content: "second", version: 2, source: "redis" });
  expect((await world.sync.status()).backlog).toMatchObject({ pending: 0, dead: 0 });
  await world.untilMarked();
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true, misses: 0 });
});

test("an erasure leaves nothing of a memory that stands in another layout", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(2);
  await setOther(world, "m1", 1);
  await world.sync.erase("m1");
  expect(await world.redis.hexists(world.redisKey("m1"), "body")).toBe(0);
  expect(await world.sync.get("m1")).toBeNull();
});

test("a Redis that takes no writes keeps its other layouts, and the check goes on", async (t) => {
  const events: string[] = [];
  const write = (_fields: unknown, event?: string): void => void events.push(String(event));
  const log = { debug: write, info: write, warn: write, error: write, child: () => log };
  const world = await openWorld(t, { faiss: false, ownRedis: true, settings: { log: log as never } });
  await world.fill(3);
  await setOther(world, "m1", 1);
  await world.redis.config("SET", "maxmemory", "1", "maxmemory-policy", "noeviction");
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true, misses: 1 });
  expect(events).toContain("check.refill_failed");
  expect(await world.sync.get("m1")).toMatchObject({ content: world.memory(1).content, source: "postgres" });
  await world.redis.config("SET", "maxmemory", "0");
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: true, misses: 1 });
  expect(await world.sync.get("m1")).toMatchObject({ source: "redis" });
});
