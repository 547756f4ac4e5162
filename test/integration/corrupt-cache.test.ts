import { expect, test } from "vitest";
import { openWorld, sharedWorld, type World } from "../support/world.ts";

/** Goal: whatever stands in Redis, a read shows what was written, or nothing. */

const shared = sharedWorld({ faiss: false });

const DAMAGES: [what: string, damage: (world: World, key: string) => Promise<unknown>][] = [
  ["other data", (world, key) => world.redis.hset(key, "data", '{"content":"forged"}')],
  ["data that are no JSON", (world, key) => world.redis.hset(key, "data", "{")],
  ["data that are no UTF-8", (world, key) => world.redis.hset(key, "data", Buffer.from([0xff, 0xfe]))],
  ["another checksum", (world, key) => world.redis.hset(key, "checksum", "0".repeat(64))],
  ["no checksum", (world, key) => world.redis.hdel(key, "checksum")],
  ["no data", (world, key) => world.redis.hdel(key, "data")],
  ["a torn vector", (world, key) => world.redis.hset(key, "embedding", Buffer.alloc(31, 7))],
  ["another vector", (world, key) => world.redis.hset(key, "embedding", Buffer.alloc(32, 7))],
  ["no vector", (world, key) => world.redis.hdel(key, "embedding")],
  ["no version vector", (world, key) => world.redis.hdel(key, "vector")],
  // Fails: get rejects with a SyntaxError (cachedMemory).
  ["a version vector that is no JSON", (world, key) => world.redis.hset(key, "vector", "{")],
  ["a version that is no number", (world, key) => world.redis.hset(key, "version", "x")],
  ["version 0", (world, key) => world.redis.hset(key, "version", "0")],
  ["no version", (world, key) => world.redis.hdel(key, "version")],
  [
    "a string in place of the hash",
    async (world, key) => {
      await world.redis.del(key);
      await world.redis.set(key, "x");
    },
  ],
];

test.each(DAMAGES)("%s in Redis: get shows what was written", async (what, damage) => {
  const world = shared.current;
  const input = { ...world.memory(1), memoryId: what };
  await world.put(input);
  await damage(world, world.redisKey(what));
  const memory = await world.sync.get(what);
  expect(memory).toMatchObject({ content: input.content, version: 1, source: "postgres" });
  expect(memory?.embedding).toEqual(input.embedding);
  // A write over it makes it whole again.
  expect(await world.put({ ...input, content: "second" })).toMatchObject({ version: 2, status: "synced" });
  expect(await world.sync.get(what)).toMatchObject({ content: "second", version: 2, source: "redis" });
});

test("another tenant's hash that is copied whole is not shown, is a finding, and is never adopted", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.put({ ...world.memory(1), namespace: "one", memoryId: "secret", content: "of tenant one" });
  await world.put({ ...world.memory(2), namespace: "two", memoryId: "secret", content: "of tenant two" });
  await world.put({ ...world.memory(2), namespace: "two", memoryId: "own" });
  const copied = world.redisKey("secret", "one");
  // Over a memory of the same id, over another one at the same version, and where there is none.
  for (const memoryId of ["secret", "own", "new"])
    await world.redis.copy(copied, world.redisKey(memoryId, "two"), "REPLACE");
  const read = (memoryId: string) => world.sync.get(memoryId, { namespace: "two" });
  expect(await read("secret")).toMatchObject({ content: "of tenant two", source: "postgres" });
  expect(await read("own")).toMatchObject({ content: world.memory(2).content, source: "postgres" });
  expect(await read("new")).toBeNull();
  const report = await world.sync.checkConsistency();
  expect(report.findings.map(({ memoryId, kind }) => `${memoryId} ${kind}`).sort()).toEqual([
    "new orphan",
    "own diverged",
    "secret diverged",
  ]);
  await world.sync.repairInconsistencies(report, { strategy: "latest_wins" });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  expect(await world.sync.get("new", { namespace: "two" })).toBeNull();
  const [row] = await world.sql<{ leaked: number }[]>`
    select count(*)::int as leaked from mnemosync.memories
    where namespace = 'two' and document::text like '%of tenant one%'`;
  expect(row?.leaked).toBe(0);
});

test("without vectors in Redis, a memory with one comes from the ledger, and one without from Redis", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { redisStoreEmbedding: false } });
  await world.put(world.memory(1));
  const { embedding: _, ...plain } = world.memory(2);
  await world.put(plain);
  expect(await world.redis.hexists(world.redisKey("m1"), "embedding")).toBe(0);
  expect(await world.sync.get("m1")).toMatchObject({ embedding: world.memory(1).embedding, source: "postgres" });
  expect(await world.sync.get("m2")).toMatchObject({ embedding: null, source: "redis" });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 2 });
});
