import { expect, test } from "vitest";
import { openWorld, type World } from "../support/world.ts";

/** Goal: marking comes after the answer, and nobody takes what is not marked yet for drift or for a backlog. */

const within = { timeout: 60_000, interval: 10 };

const viewOf = async (world: World, memoryId: string) => {
  const [row] = await world.sql<{ status: string; state: string }[]>`
    select s.status, t.state from mnemosync.v_memory_sync_status s join mnemosync.sync_transactions t using (tx_id)
    where memory_id = ${memoryId}`;
  return row;
};

test("an answered write is marked soon after, by one transaction for many, and at once when the synchronizer closes", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await Promise.all([1, 2, 3].map((number) => world.put(world.memory(number))));
  await expect.poll(() => viewOf(world, "m1"), within).toEqual({ status: "synced", state: "published" });
  await world.put(world.memory(4));
  await world.disconnect();
  expect(await viewOf(world, "m4")).toEqual({ status: "synced", state: "published" });
});

test("what is queued for a store is queued and marked before the answer", async (t) => {
  const world = await openWorld(t, { faiss: false, ownRedis: true, settings: { storeFailuresMax: 1 } });
  await world.fill(1);
  await world.redisServer?.kill();
  expect(await world.put(world.memory(1))).toMatchObject({ status: "degraded" });
  expect(await viewOf(world, "m1")).toEqual({ status: "degraded", state: "published" });
});

test("until it is overdue a transaction without a mark is publishing; then it is pending, and taken over", async (t) => {
  const world = await openWorld(t, { faiss: false, settings: { publishDeadlineMs: 60_000 } });
  await world.fill(1);
  await expect.poll(() => viewOf(world, "m0"), within).toEqual({ status: "synced", state: "published" });
  // As after a crash between the answer and the mark.
  await world.sql`update mnemosync.sync_transactions set state = 'committed', published_at = null`;
  expect(await viewOf(world, "m0")).toMatchObject({ status: "publishing" });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  expect((await world.sync.status()).backlog).toEqual({ pending: 0, failed: 0, dead: 0 });
  expect(await world.sync.backlog.drain()).toBe(0);
  await world.sql`update mnemosync.sync_transactions set created_at = created_at - interval '2 minutes'`;
  expect(await viewOf(world, "m0")).toMatchObject({ status: "pending" });
  expect(await world.sync.backlog.drain()).toBe(1); // A repeated, harmless publish.
  expect(await viewOf(world, "m0")).toMatchObject({ status: "synced" });
  expect(await world.redis.hget(world.redisKey("m0"), "version")).toBe("1");
});

test("a memory that is on its way at every look is still checked", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(1);
  let isWriting = true;
  const writing = (async () => {
    for (let turn = 0; isWriting; turn++) {
      await world.put(world.memory(0, { content: `turn ${turn}` }));
      // The store damages each version as soon as it has it.
      await world.redis.hset(world.redisKey("m0"), "data", "damaged");
    }
  })();
  try {
    // Each look comes within the milliseconds before a mark: without waiting for it, the memory would never be compared.
    await expect
      .poll(async () => (await world.sync.checkConsistency({ scope: "deep" })).byMemory, within)
      .toEqual({ m0: ["redis"] });
  } finally {
    isWriting = false;
    await writing;
  }
});
