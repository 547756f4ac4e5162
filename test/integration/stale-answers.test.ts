import { expect, test } from "vitest";
import { rememberLedger } from "../support/ledger-past.ts";
import { unitVector } from "../support/memories.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: `stale` counts as applied only for a version that the ledger knows. Method: the ledger loses its last
 * transactions while Redis and FAISS keep theirs; what is written next meets the same or higher version numbers there.
 */

const found = async (world: World, number: number) => {
  const hits = await world.sync.search(unitVector(number, 8), { k: 3 });
  return hits.map(({ memory }) => `${memory.memoryId}@${memory.version} ${memory.content}`);
};

const queued = async (world: World) => {
  const rows = await world.sql<{ line: string }[]>`
    select store || ' ' || memory_id as line from mnemosync.sync_queue order by 1`;
  return rows.map(({ line }) => line);
};

test("a version that a store holds with another content is pending, queued, not shown, and put right", async (t) => {
  const world = await openWorld(t);
  await world.fill(2);
  const restore = await rememberLedger(world.sql);
  await world.put(world.memory(1, { content: "lost", embedding: [...unitVector(7, 8)] }));
  await restore();

  const outcome = await world.put(world.memory(1, { content: "kept" }));
  expect(outcome).toMatchObject({
    version: 2,
    status: "degraded",
    stores: { postgres: "applied", redis: "pending", faiss: "pending" },
    reasons: {
      redis: expect.stringContaining("version 2 with another content"),
      faiss: expect.stringContaining("version 2 with another content"),
    },
  });
  expect(await queued(world)).toEqual(["faiss m1", "redis m1"]);
  // The store still holds the lost content; this process knows and does not show it.
  expect(await world.redis.hget(world.redisKey("m1"), "data")).toContain("lost");
  expect(await world.sync.get("m1")).toMatchObject({ version: 2, content: "kept", source: "postgres" });
  expect(await found(world, 1)).toContain("m1@2 kept");

  await world.sync.backlog.drain();
  expect(await queued(world)).toEqual([]);
  expect(await world.redis.hget(world.redisKey("m1"), "data")).toContain("kept");
  expect(await world.sync.get("m1")).toMatchObject({ content: "kept" });
  expect(await world.sync.get("m1")).toMatchObject({ content: "kept", source: "redis" });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  const kept = await world.sql<{ document: string }[]>`
    select convert_from(found_document, 'UTF8') as document from mnemosync.conflict_resolutions where store = 'redis'`;
  expect(kept.map(({ document }) => document)).toEqual([expect.stringContaining("lost")]);
});

test("a delete below a newer lost version is pending, and neither get nor search show the lost content", async (t) => {
  const world = await openWorld(t);
  await world.fill(2);
  const restore = await rememberLedger(world.sql);
  for (const content of ["lost 2", "lost 3", "lost 4"]) await world.put(world.memory(1, { content }));
  await restore();

  const outcome = await world.sync.delete("m1");
  expect(outcome).toMatchObject({ version: 2, status: "degraded", stores: { redis: "pending", faiss: "pending" } });
  expect(outcome.reasons?.redis).toContain("version 4, which the ledger does not know");
  expect(await world.sync.get("m1")).toBeNull();
  expect(await found(world, 1)).toEqual(["m0@1 memory number 0"]);
  expect(await queued(world)).toEqual(["faiss m1", "redis m1"]);

  await world.sync.backlog.drain();
  expect(await queued(world)).toEqual([]);
  expect(await world.redis.hgetall(world.redisKey("m1"))).toMatchObject({ version: "2", deleted: "1" });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("a lost deletion in a store does not hide what is written now", async (t) => {
  const world = await openWorld(t);
  await world.fill(1);
  const restore = await rememberLedger(world.sql);
  await world.put(world.memory(0, { content: "lost 2" }));
  await world.sync.delete("m0");
  await restore();
  expect(await world.put(world.memory(0, { content: "kept" }))).toMatchObject({ version: 2, status: "degraded" });
  expect(await world.sync.get("m0")).toMatchObject({ content: "kept", source: "postgres" });
  await world.sync.backlog.drain();
  expect(await world.redis.hget(world.redisKey("m0"), "data")).toContain("kept");
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("what repairKinds leaves alone becomes a dead letter that says so", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { repairKinds: ["missing"], queueAttemptsMax: 1 } });
  await world.fill(1);
  const restore = await rememberLedger(world.sql);
  await world.put(world.memory(0, { content: "lost" }));
  await restore();
  await world.put(world.memory(0, { content: "kept" }));
  await world.sync.backlog.drain();
  const [row] = await world.sync.backlog.list({ limit: 10 });
  expect(row).toMatchObject({ state: "dead", lastError: expect.stringContaining("repairKinds leaves diverged alone") });
  expect(await world.redis.hget(world.redisKey("m0"), "data")).toContain("lost");
});
