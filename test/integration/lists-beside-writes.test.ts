import { expect, test } from "vitest";
import { openWorld } from "../support/world.ts";

/** Goal: a caller who asks for many expensive lists at once does not hold up those who write. */

test("a write that comes behind many lists does not wait for them", async (t) => {
  const world = await openWorld(t, { faiss: false, redis: false, settings: { postgresConnectionsMax: 2 } });
  const { sync } = world;
  await sync.syncBatch(world.memories(500));
  // Each reads and tests the document of each memory, and none passes.
  const where = { "metadata.none": { contains: "x" }, importance: { gte: 0 } } as const;
  let ended = 0;
  const lists = Array.from({ length: 150 }, () => sync.list({ where, timeoutMs: 60_000 }).then(() => void ended++));
  await Promise.race(lists); // All others wait for a connection by now.
  expect(await world.put(world.memory(1, { content: "written meanwhile" }))).toMatchObject({ status: "synced" });
  const before = ended;
  expect(await sync.get("m1")).toMatchObject({ content: "written meanwhile" });
  await Promise.all(lists);
  expect(ended).toBe(150);
  expect(before).toBeLessThan(75);
});
