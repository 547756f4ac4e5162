import { expect, test } from "vitest";
import { openWorld, type World } from "../support/world.ts";

const statistics = async (world: World) => {
  const [row] = await world.sql`
    select memories::int, tombstones::int, history_versions::int, transactions_unpublished::int, queue_pending::int,
           queue_failed::int, queue_dead::int, conflicts_pending::int, oldest_unpublished_age, oldest_queued_age,
           last_clean_check_at
    from mnemosync.get_sync_statistics()`;
  return { ...row };
};

const statusOf = async (world: World, memoryId: string) => {
  const [row] = await world.sql`
    select status, store_versions from mnemosync.v_memory_sync_status where memory_id = ${memoryId}`;
  return { ...row };
};

test("get_sync_statistics counts memories, tombstones and replaced versions, and names the last clean check", async (t) => {
  const world = await openWorld(t, { faiss: false });
  expect(await statistics(world)).toEqual({
    memories: 0,
    tombstones: 0,
    history_versions: 0,
    transactions_unpublished: 0,
    queue_pending: 0,
    queue_failed: 0,
    queue_dead: 0,
    conflicts_pending: 0,
    oldest_unpublished_age: null,
    oldest_queued_age: null,
    last_clean_check_at: null,
  });
  expect((await world.sync.status()).lastCleanCheckAt).toBeNull();
  await world.fill(20);
  await world.sync.syncBatch(world.memories(5).map((memory) => ({ ...memory, content: "second" })));
  await world.sync.delete("m0");
  await world.sync.delete("m1");
  await world.untilMarked();
  expect(await statistics(world)).toMatchObject({ memories: 18, tombstones: 2, history_versions: 7 });
  const before = Date.now();
  await world.sync.checkConsistency();
  const clean = (await statistics(world)).last_clean_check_at as Date;
  expect(Math.abs(clean.getTime() - before)).toBeLessThan(60_000);
  expect((await world.sync.status()).lastCleanCheckAt).toBe(clean.toISOString());
  // A check that finds something leaves the time of the last clean one.
  await world.redis.del(world.redisKey("m5"));
  expect(await world.sync.checkConsistency()).toMatchObject({ clean: false });
  expect((await statistics(world)).last_clean_check_at).toEqual(clean);
});

test("a transaction that is committed and not yet published counts as publishing, and confirms no store's version", async (t) => {
  const seen: Record<string, unknown>[] = [];
  const state: { world?: World } = {};
  const onStep = async (step: string) => {
    if (step === "published" && state.world !== undefined) {
      seen.push(await statusOf(state.world, "m1"), await statistics(state.world));
    }
  };
  const world = await openWorld(t, { settings: { onStep } });
  state.world = world;
  await world.put(world.memory(1));
  expect(seen).toMatchObject([
    { status: "publishing", store_versions: {} },
    { memories: 1, transactions_unpublished: 1, oldest_unpublished_age: expect.any(Number) },
  ]);
  await world.disconnect(); // A close marks what waits.
  expect(await statusOf(world, "m1")).toEqual({ status: "synced", store_versions: { redis: 1, faiss: 1 } });
});

test("v_memory_sync_status tells synced, degraded, failed and conflict apart, and forgives what is settled", async (t) => {
  const world = await openWorld(t);
  const { embedding: _, ...plain } = world.memory(1);
  await world.put(plain);
  await expect.poll(() => statusOf(world, "m1")).toEqual({ status: "synced", store_versions: { redis: 1 } });
  await world.sql`insert into mnemosync.sync_queue (store, node_id, namespace, memory_id) values ('redis', '', 'default', 'm1')`;
  expect(await statusOf(world, "m1")).toEqual({ status: "degraded", store_versions: {} });
  expect(await statistics(world)).toMatchObject({ queue_pending: 1, queue_failed: 0, queue_dead: 0 });
  await world.sql`update mnemosync.sync_queue set attempts = 2`;
  expect(await statistics(world)).toMatchObject({ queue_pending: 1, queue_failed: 1, queue_dead: 0 });
  await world.sql`update mnemosync.sync_queue set dead_at = now()`;
  expect(await statusOf(world, "m1")).toMatchObject({ status: "failed" });
  expect(await statistics(world)).toMatchObject({ queue_pending: 0, queue_failed: 0, queue_dead: 1 });
  expect((await world.sync.status()).backlog).toEqual({ pending: 0, failed: 0, dead: 1 });
  await world.sql`
    insert into mnemosync.conflict_resolutions (namespace, memory_id, store, kind, strategy, state)
    values ('default', 'm1', 'redis', 'ahead', 'manual', 'pending')`;
  expect(await statusOf(world, "m1")).toMatchObject({ status: "conflict" });
  expect(await statistics(world)).toMatchObject({ conflicts_pending: 1 });
  await world.sql`update mnemosync.conflict_resolutions set state = 'resolved'`;
  await world.sql`delete from mnemosync.sync_queue`;
  // A transaction whose row was pruned had been published.
  await world.sql`delete from mnemosync.sync_transactions`;
  expect(await statusOf(world, "m1")).toMatchObject({ status: "synced", store_versions: { redis: 1 } });
});

test("two indexes of one cluster: a queue row of one node's index is not another one's business", async (t) => {
  const world = await openWorld(t);
  await world.put(world.memory(1));
  await world.sql`
    insert into mnemosync.sync_queue (store, node_id, namespace, memory_id) values ('faiss', 'another', 'default', 'm1')`;
  await expect.poll(() => statusOf(world, "m1")).toEqual({ status: "degraded", store_versions: { redis: 1 } });
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
});

test("v_memory_sync_status ends with the time of a memory's creation and with why it ended", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const columns = await world.sql`
    select column_name as name from information_schema.columns
    where table_schema = 'mnemosync' and table_name = 'v_memory_sync_status' order by ordinal_position`;
  expect(columns.map(({ name }) => name as string).slice(-3)).toEqual(["status", "created_at", "ended_by"]);
  const rowOf = async (memoryId: string) => {
    const [row] = await world.sql`
      select created_at, modified_at, ended_by from mnemosync.v_memory_sync_status where memory_id = ${memoryId}`;
    return row as { created_at: Date; modified_at: Date; ended_by: string | null };
  };
  await world.fill(2);
  const created = await rowOf("m0");
  expect(created).toMatchObject({ created_at: created.modified_at, ended_by: null });
  await world.put({ ...world.memory(0), content: "second" });
  const changed = await rowOf("m0");
  expect(changed).toMatchObject({ created_at: created.created_at, ended_by: null });
  expect(changed.modified_at.getTime()).toBeGreaterThan(created.created_at.getTime());
  await world.sync.delete("m0");
  expect((await rowOf("m0")).ended_by).toBe("deleted");
  await world.sync.erase("m1");
  await expect.poll(async () => (await rowOf("m1")).ended_by).toBe("erased");
  // A row from before migration 19 that is not moved yet.
  await world.sql`
    update mnemosync.memory_versions set created_at = null, ended_by = null where memory_id = 'm0'`;
  const old = await rowOf("m0");
  expect(old).toMatchObject({ created_at: old.modified_at, ended_by: "deleted" });
});
