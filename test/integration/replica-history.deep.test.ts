import { expect, test, vi } from "vitest";
import { rememberLedger } from "../support/ledger-past.ts";
import { openReplicaWorld, rememberReplica } from "../support/replica-world.ts";

vi.setConfig({ testTimeout: 120_000 });

/** Goal: whichever side is put back, the replica comes to agree with the primary, and keeps what the primary lost. */

test("versions that a primary lost by a restore are kept as diverged, and never shown", async (t) => {
  const world = await openReplicaWorld(t);
  for (const id of ["kept", "ended", "rewritten"]) await world.put(id, { content: `${id} 1` });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  await world.put("kept", { content: "kept 2" });
  await world.put("lost", { content: "lost 1" });
  await world.put("rewritten", { content: "rewritten, lost" });
  await world.sync.delete("ended");
  await world.caughtUp();
  await putBack();
  await world.put("rewritten", { content: "rewritten anew" });
  await expect.poll(async () => (await world.sync.replica.status()).diverged, { timeout: 30_000 }).toBe(4);
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
  const diverged = await world.replica`
    select memory_id, version::int as version, document ->> 'content' as content, ended_by from mnemosync.diverged order by 1`;
  expect([...diverged]).toEqual([
    { memory_id: "ended", version: 2, content: null, ended_by: "deleted" },
    { memory_id: "kept", version: 2, content: "kept 2", ended_by: null },
    { memory_id: "lost", version: 1, content: "lost 1", ended_by: null },
    { memory_id: "rewritten", version: 2, content: "rewritten, lost", ended_by: null },
  ]);
});

test("an erased memory has nothing left in diverged", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  await world.put("m1", { content: "lost" });
  await world.caughtUp();
  await putBack();
  await expect.poll(async () => (await world.sync.replica.status()).diverged, { timeout: 30_000 }).toBe(1);
  const { id } = await world.sync.erase("m1");
  await expect.poll(async () => (await world.sync.erasures.get(id)).state, { timeout: 30_000 }).toBe("complete");
  expect((await world.sync.replica.status()).diverged).toBe(0);
  expect((await world.held("m1")).bodies.every(({ content }) => content === null)).toBe(true);
});

test("content that was erased in a lost history comes back with the memory", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  await world.put("m1", { content: "first", privacy: "local_only" });
  await world.caughtUp();
  expect((await world.held("m1")).row).toMatchObject({ version: 2, endedBy: "withdrawn" });
  await putBack();
  await world.put("m2", { content: "other" });
  await expect.poll(async () => (await world.held("m1")).row?.version, { timeout: 30_000 }).toBe(1);
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
});

test("a replica that is put back to an older copy goes on where that copy ends", async (t) => {
  const world = await openReplicaWorld(t);
  await world.world.fill(30);
  await world.caughtUp();
  const putBack = await rememberReplica(world);
  await world.put("m1", { content: "newer" });
  await world.sync.delete("m2");
  await world.caughtUp();
  await putBack();
  await world.put("m3", { content: "newest" });
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
});

test("a replica behind a pruned tombstone ends the memory that the primary forgot", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.put("m2", { content: "first" });
  await world.caughtUp();
  const putBack = await rememberReplica(world);
  await world.sync.delete("m1");
  await world.caughtUp();
  // As the sweeper prunes a tombstone, once its time is over.
  await world.world.sql`
    with gone as (
      delete from mnemosync.memory_bodies where memory_id = 'm1' returning xid, seq, version
    ), row as (
      delete from mnemosync.memory_versions where memory_id = 'm1' returning bucket, version
    ), floor as (
      insert into mnemosync.version_floors (bucket, floor) select bucket, version from row
    )
    insert into mnemosync.tombstones_pruned (xid, seq) select xid, seq from gone order by xid desc, seq desc limit 1`;
  await putBack();
  await world.put("m3", { content: "later" });
  await expect
    .poll(async () => (await world.held("m1")).row, { timeout: 30_000 })
    .toMatchObject({ endedBy: "deleted" });
  await world.caughtUp();
  expect((await world.held("m1")).bodies[0]).toMatchObject({ version: 1, content: "first" });
  // A new memory of that id begins above the floor.
  await world.put("m1", { content: "anew" });
  await world.caughtUp();
  expect((await world.held("m1")).row).toMatchObject({ version: 3, endedBy: null });
});

test("versions that arrived before the one that withholds them are told again together with it", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.put("m2", { content: "first" });
  await world.caughtUp();
  await world.sync.replica.pause();
  await expect.poll(async () => (await world.sync.replica.status()).state, { timeout: 20_000 }).toBe("paused");
  await world.put("m1", { content: "second", privacy: "local_only" });
  await world.put("m2", { content: "second", privacy: "redacted" });
  // As a process leaves it that died behind the first batches of a page.
  await world.replica`update mnemosync.replica_cursor set xid = '0', seq = 0`;
  await world.sync.replica.resume();
  await world.caughtUp();
  const taken = { version: 1, endedBy: "withdrawn", content: null };
  expect((await world.held("m1")).bodies[0]).toEqual(taken);
  expect((await world.held("m2")).bodies[0]).toEqual(taken);
});
