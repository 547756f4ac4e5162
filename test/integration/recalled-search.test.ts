import { expect, test } from "vitest";
import { MemorySynchronizer } from "../../src/index.ts";
import { sharedWorld } from "../support/world.ts";

/** Goal: what a search found before is shown from this process's memory only while Redis still holds that very entry. */

const shared = sharedWorld();

/** A namespace with memories 0 … 4, which a search has found, and thereby proven. */
async function foundBefore(namespace: string) {
  const world = shared.current;
  await world.sync.syncBatch(world.memories(5).map((memory) => ({ ...memory, namespace })));
  const query = world.memory(2).embedding as Float32Array;
  const find = async (): Promise<Map<string, { content: string; version: number; source: string }>> => {
    const results = await world.sync.search(query, { k: 10, namespace });
    return new Map(results.map(({ memory }) => [memory.memoryId, memory]));
  };
  for (let time = 0; time < 2; time++) {
    const found = await find();
    expect([...found.keys()].sort()).toEqual(["m0", "m1", "m2", "m3", "m4"]);
    expect(new Set([...found.values()].map(({ source }) => source))).toEqual(new Set(["redis"]));
  }
  return { world, find };
}

/** Another process, which writes without this one's knowledge, and without its index. */
async function otherNode(): Promise<MemorySynchronizer> {
  const { faiss: _, ...options } = shared.current.connectOptions;
  return await MemorySynchronizer.connect({ ...options, nodeId: "other" });
}

test("a change and a deletion by another node show at once", async () => {
  const { world, find } = await foundBefore("others");
  await using other = await otherNode();
  const { embedding: _, ...plain } = world.memory(1);
  await other.syncMemory("m1", { ...plain, content: "changed elsewhere", namespace: "others" });
  await other.delete("m3", { namespace: "others" });
  const found = await find();
  expect(found.get("m1")?.content ?? "changed elsewhere").toBe("changed elsewhere");
  expect(found.has("m3")).toBe(false);
  expect(found.get("m2")).toMatchObject({ version: 1, source: "redis" });
});

test("an entry that was altered behind all backs never shows", async () => {
  const namespace = "altered";
  const { world, find } = await foundBefore(namespace);
  const keyOf = (memoryId: string): string => world.redisKey(memoryId, namespace);
  const original = world.memory(0).content;
  // The content alone: what the process proved is still what was committed.
  await world.redis.hset(keyOf("m0"), "data", '{"content":"forged"}');
  // Gone, of another layout, no hash, copied from another memory, and at a version that nobody gave out.
  await world.redis.del(keyOf("m1"));
  await world.redis.hset(keyOf("m2"), "format", "99");
  await world.redis.del(keyOf("m3"));
  await world.redis.set(keyOf("m3"), "x");
  await world.redis.copy(keyOf("m0"), keyOf("m4"), "REPLACE");
  const found = await find();
  expect(found.get("m0")?.content).toBe(original);
  for (const number of [1, 2, 3, 4]) {
    expect(found.get(`m${number}`)).toMatchObject({ content: world.memory(number).content, source: "postgres" });
  }
});

test("what callers do to a result does not show in the next one", async () => {
  const namespace = "callers";
  const { world } = await foundBefore(namespace);
  const query = world.memory(2).embedding as Float32Array;
  const [first] = await world.sync.search(query, { k: 1, namespace });
  const { memory } = first as { memory: { content: string; embedding: Float32Array; metadata: { own?: string } } };
  memory.content = "mine";
  memory.embedding.fill(0);
  memory.metadata.own = "mine";
  const [second] = await world.sync.search(query, { k: 1, namespace });
  expect(second?.memory).toMatchObject({ memoryId: "m2", content: world.memory(2).content });
  expect(second?.memory.metadata).not.toHaveProperty("own");
  expect(second?.memory.embedding).toEqual(query);
});

test("a memory that expired, and one that was written here, show as they are now", async () => {
  const namespace = "now";
  const { world, find } = await foundBefore(namespace);
  await world.redis.pexpire(world.redisKey("m0", namespace), 1);
  await world.put({ ...world.memory(1), namespace, content: "second" });
  await expect.poll(() => world.redis.exists(world.redisKey("m0", namespace))).toBe(0);
  const found = await find();
  expect(found.get("m0")).toMatchObject({ source: "postgres" });
  expect(found.get("m1")).toMatchObject({ content: "second", version: 2 });
});
