import { readdir, rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { childrenOf } from "../../src/dev/processes.ts";
import { pollUntil } from "../../src/dev/wait.ts";
import { ConfigurationError, MemorySynchronizer } from "../../src/index.ts";
import { unitVector } from "../support/memories.ts";
import { openWorld, type World } from "../support/world.ts";

/** Other tests' transactions on the same server may hold the change feed back: the background loop follows it. */
async function untilIndexHolds(world: World, memories: number): Promise<void> {
  world.sync.start();
  await pollUntil("the index having caught up", 30_000, async () => {
    return (await world.sync.status()).stores.faiss?.memories === memories;
  });
}

test("a restart keeps every memory, its vector and its version", async (t) => {
  const world = await openWorld(t);
  await world.fill(80);
  await world.put(world.memory(0, { content: "second" }));
  await world.sync.delete("m1");
  const before = await world.sync.search(unitVector(0, 8), { k: 100 });
  await world.restart();
  expect(await world.sync.search(unitVector(0, 8), { k: 100 })).toEqual(before);
  expect(await world.sync.get("m0")).toMatchObject({ version: 2, content: "second" });
  expect(await world.sync.get("m1")).toBeNull();
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 79 });
  expect(await world.put(world.memory(1))).toMatchObject({ version: 3, status: "synced" });
});

test("an index whose folder was lost is filled from the ledger", async (t) => {
  const world = await openWorld(t, { settings: { syncIntervalMs: 50 } });
  await world.fill(60);
  await world.sync.delete("m7");
  await world.disconnect();
  await rm(world.directory, { recursive: true, force: true });
  await world.connect();
  await untilIndexHolds(world, 59);
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 59 });
});

test("an index reads what was written while it was away from the ledger", async (t) => {
  const world = await openWorld(t, { settings: { syncIntervalMs: 50 } });
  await world.fill(20);
  await world.disconnect();
  const { faiss: _, ...options } = world.connectOptions;
  const without = await MemorySynchronizer.connect(options);
  t.onTestFinished(() => without.close());
  await without.syncBatch(world.memories(20, 10)); // Ten that are there, ten new ones.
  await without.delete("m3");
  const { memoryId, ...changed } = world.memory(4, { embedding: unitVector(444, 8) });
  await without.syncMemory(memoryId, changed);
  await world.connect();
  await untilIndexHolds(world, 29);
  const [nearest] = await world.sync.search(unitVector(444, 8), { k: 1 });
  expect(nearest?.memory).toMatchObject({ memoryId: "m4", version: 2 });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 29 });
});

test("a second process is kept off the folder of the index", async (t) => {
  const world = await openWorld(t);
  const second = MemorySynchronizer.connect(world.connectOptions);
  await expect(second).rejects.toBeInstanceOf(ConfigurationError);
  await expect(second).rejects.toThrow(world.directory);
  // The first one is none the worse for it.
  expect(await world.put(world.memory(1))).toMatchObject({ status: "synced" });
});

test("a node keeps its name across restarts", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const { nodeId } = world.sync;
  await world.put(world.memory(1));
  await world.restart();
  expect(world.sync.nodeId).toBe(nodeId);
  await world.put(world.memory(1, { content: "second" }));
  expect((await world.sync.get("m1"))?.versionVector).toEqual({ [nodeId]: 2 });
});

test("closing twice is as good as once, and leaves neither lock nor process", async (t) => {
  const childrenBefore = childrenOf(process.pid);
  const world = await openWorld(t);
  expect(childrenOf(process.pid)).toHaveLength(childrenBefore.length + 1);
  const { sync } = world;
  await world.fill(5);
  await Promise.all([sync.close(), sync.close()]);
  await sync.close();
  expect(await readdir(world.directory)).not.toContain("lock");
  expect(childrenOf(process.pid)).toEqual(childrenBefore);
  await world.connect();
  expect((await world.sync.status()).stores.faiss?.memories).toBe(5);
});
