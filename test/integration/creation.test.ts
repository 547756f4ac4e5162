import { expect, test } from "vitest";
import { MemorySynchronizer } from "../../src/index.ts";
import { openWorld } from "../support/world.ts";

/** Goal: memories that seem to be new are written as such, and whatever stands in their way after all is dealt with. */

test("a document that was left behind without its version is no obstacle", async (t) => {
  const world = await openWorld(t);
  await world.sql`
    insert into mnemosync.memory_bodies (namespace, memory_id, version, checksum, version_vector, modified_at, tx_id, document)
    values ('default', 'm1', 1, 'old', '{}', now(), 'old', '{"old":1}')`;
  const outcomes = await world.sync.syncBatch(world.memories(3));
  expect(outcomes.map(({ status, version }) => `${status} ${version}`)).toEqual(["synced 1", "synced 1", "synced 1"]);
  expect(await world.sync.get("m1")).toMatchObject({ memoryId: "m1", content: world.memory(1).content });
  expect((await world.sync.checkConsistency({ scope: "deep" })).clean).toBe(true);
});

test("two nodes that create the same memories at once give each one version after the other", async (t) => {
  const world = await openWorld(t);
  const other = await MemorySynchronizer.connect({ ...world.connectOptions, faiss: undefined, nodeId: "other" });
  try {
    const memories = world.memories(100);
    const changed = memories.map((memory) => ({ ...memory, content: `${memory.content}, as the other one has it` }));
    const [mine, theirs] = await Promise.all([world.sync.syncBatch(memories), other.syncBatch(changed)]);
    expect(mine).toHaveLength(100);
    for (const [index, outcome] of mine.entries()) {
      expect([outcome.version, theirs[index]?.version].sort()).toEqual([1, 2]);
    }
    expect([...mine, ...theirs].filter(({ version }) => version === 0)).toEqual([]);
  } finally {
    await other.close();
  }
});
