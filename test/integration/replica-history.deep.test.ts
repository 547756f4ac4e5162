import { expect, test, vi } from "vitest";
import { bucketOf } from "../../src/domain/keys.ts";
import type { ExportRecord } from "../../src/index.ts";
import { rememberLedger } from "../support/ledger-past.ts";
import { openReplicaWorld, rememberReplica } from "../support/replica-world.ts";
import { openWorld } from "../support/world.ts";

vi.setConfig({ testTimeout: 300_000 });

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
  await expect.poll(async () => (await world.sync.replica.status()).diverged, { timeout: 60_000 }).toBe(4);
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

test("lost versions of a memory that was made anew above its floor are diverged, and pruned ones stay", async (t) => {
  const world = await openReplicaWorld(t);
  const { sql } = world.world;
  for (const content of ["pruned", "pruned too", "kept"]) await world.put("m1", { content });
  await world.put("m3", { content: "pruned" });
  await world.put("m3", { content: "kept" });
  await world.caughtUp();
  await sql`delete from mnemosync.memory_bodies where (memory_id = 'm1' and version < 3) or (memory_id = 'm3' and version < 2)`;
  const putBack = await rememberLedger(sql);
  for (const content of ["lost 1", "lost 2"]) await world.put("m2", { content });
  for (const content of ["lost 2", "lost 3"]) await world.put("m3", { content });
  await world.caughtUp();
  await putBack();
  // Tombstones of other memories in their buckets were pruned, at numbers that these never had.
  await sql`
    insert into mnemosync.version_floors (bucket, floor)
    values (${bucketOf({ namespace: "default", memoryId: "m2" })}, 7)`;
  await world.put("m2", { content: "anew" });
  await expect.poll(async () => (await world.sync.replica.status()).diverged, { timeout: 60_000 }).toBe(4);
  await world.caughtUp();
  const bodies = async (memoryId: string) =>
    (await world.held(memoryId)).bodies.map(({ version, content }) => [version, content]);
  expect(await bodies("m1")).toEqual([
    [1, "pruned"],
    [2, "pruned too"],
    [3, "kept"],
  ]);
  expect(await bodies("m2")).toEqual([[8, "anew"]]);
  expect(await bodies("m3")).toEqual([
    [1, "pruned"],
    [2, "kept"],
  ]);
  const diverged = await world.replica`
    select memory_id, version::int as version, document ->> 'content' as content from mnemosync.diverged order by 1, 2`;
  expect(diverged.map(({ memory_id, version, content }) => [memory_id, version, content])).toEqual([
    ["m2", 1, "lost 1"],
    ["m2", 2, "lost 2"],
    ["m3", 3, "lost 2"],
    ["m3", 4, "lost 3"],
  ]);
  // The transactions of what was pruned may be pruned too, and a comparison tells it from what was lost all the same.
  await sql`delete from mnemosync.sync_transactions where state <> 'committed' and memory_ids && array['m1']`;
  await sql`
    insert into mnemosync.sync_meta (name, value) select 'transactions_pruned_through', tx_id
    from mnemosync.memory_bodies where memory_id = 'm1'`;
  await world.sync.replica.backfill();
  await world.caughtUp();
  expect(await bodies("m1")).toHaveLength(3);
  expect((await world.sync.replica.status()).diverged).toBe(4);
});

test("history that an import brought, and retention pruned, is not taken for lost", async (t) => {
  const from = await openWorld(t, { faiss: false, redis: false });
  for (const content of ["first", "second", "third"]) {
    await from.sync.syncMemory("m1", { content, memoryType: "note" });
  }
  const backup: ExportRecord[] = [];
  for await (const record of from.sync.exportMemories({ history: true })) backup.push(record);
  const world = await openReplicaWorld(t);
  const { sql } = world.world;
  expect(await world.sync.importMemories(backup)).toMatchObject({ synced: 1, historyVersions: 2 });
  await world.caughtUp();
  // The feed tells the current version alone: the others come when the memory is sent again.
  const sentAgain = async () => {
    await world.replica`delete from mnemosync.memory_versions where memory_id = 'm1'`;
    await world.replica`delete from mnemosync.memory_bodies where memory_id = 'm1' and version = 3`;
    expect(await world.sync.replica.verify({ repair: true })).toMatchObject({ findings: [{ repaired: true }] });
    await world.caughtUp();
  };
  await sentAgain();
  const contents = async () => (await world.held("m1")).bodies.map(({ content }) => content);
  expect(await contents()).toEqual(["first", "second", "third"]);
  const pruned = await sql<{ tx_id: string }[]>`
    delete from mnemosync.memory_bodies where memory_id = 'm1' and version < 3 returning tx_id`;
  await sentAgain();
  expect(await contents()).toEqual(["first", "second", "third"]);
  expect((await world.sync.replica.status()).diverged).toBe(0);
  // There is nothing in it that could be undone.
  const transactionId = pruned[0]?.tx_id ?? "";
  expect(await world.sync.transaction(transactionId)).toBeNull();
  await expect(world.sync.rollbackTransaction(transactionId)).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("what diverged is taken by what is withheld after it, and not by what was before", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.put("m1", { content: "hidden for some time", privacy: "redacted" });
  await world.put("m1", { content: "open again" });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  await world.put("m1", { content: "lost" });
  await world.caughtUp();
  await putBack();
  await world.put("m1", { content: "anew" });
  const diverged = async () =>
    (await world.replica`select document ->> 'content' as content from mnemosync.diverged`).map((row) => row.content);
  await expect.poll(diverged, { timeout: 60_000 }).toEqual(["lost"]);
  await world.caughtUp();
  // All versions are told once more, the redacted one among them.
  await world.sync.replica.backfill();
  await world.caughtUp();
  expect(await diverged()).toEqual(["lost"]);
  await world.put("m1", { content: "hidden for good", privacy: "redacted" });
  await world.put("m1", { content: "and open" });
  await world.caughtUp();
  expect(await diverged()).toEqual([]);
});

test("what arrived without its place, since the process ended, tells too that a primary was put back", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "kept" });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  await world.paused();
  await world.replica.unsafe("create table public.place as select * from mnemosync.replica_cursor");
  await world.sync.replica.resume();
  await world.put("m2", { content: "lost" });
  await world.caughtUp();
  await world.world.disconnect();
  // As a process leaves it that ended between the batch and the place.
  await world.replica`
    update mnemosync.replica_cursor c set xid = p.xid, seq = p.seq, seen_tx = p.seen_tx, mark = p.mark from public.place p`;
  await putBack();
  (await world.world.connect()).start();
  await expect.poll(async () => (await world.sync.replica.status()).diverged, { timeout: 60_000 }).toBe(1);
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
  const epochs = await world.world.sql`select reason from mnemosync.epochs order by began_at`;
  expect(epochs.map(({ reason }) => reason)).toEqual(["created", "transaction_lost"]);
});

test("an erased memory has nothing left in diverged", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  await world.put("m1", { content: "lost" });
  await world.caughtUp();
  await putBack();
  await expect.poll(async () => (await world.sync.replica.status()).diverged, { timeout: 60_000 }).toBe(1);
  const { id } = await world.sync.erase("m1");
  await expect.poll(async () => (await world.sync.erasures.get(id)).state, { timeout: 60_000 }).toBe("complete");
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
  await expect.poll(async () => (await world.held("m1")).row?.version, { timeout: 60_000 }).toBe(1);
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
});

test("replaced versions that a lost history took come back, whatever their memory is now", async (t) => {
  const world = await openReplicaWorld(t);
  for (const id of ["rewritten", "ended", "lives"]) await world.put(id, { content: `${id} 1` });
  for (const id of ["rewritten", "lives"]) await world.put(id, { content: `${id} 2` });
  await world.sync.delete("ended");
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  await world.put("rewritten", { content: "lost", privacy: "local_only" });
  await world.put("ended", { content: "lost", privacy: "redacted" });
  await world.put("lives", { content: "lost", privacy: "redacted" });
  await world.caughtUp();
  await world.paused();
  await putBack();
  await world.put("rewritten", { content: "rewritten 3" });
  await world.sync.replica.resume();
  await expect.poll(async () => (await world.held("lives")).row?.version, { timeout: 60_000 }).toBe(2);
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
  // Within an epoch nothing comes back: what was emptied here stays so when it is told again.
  await world.replica`
    update mnemosync.memory_bodies set checksum = null, document = null, ended_by = 'withdrawn'
    where memory_id = 'lives' and version = 1`;
  await world.paused();
  await world.replica`update mnemosync.replica_cursor set xid = '0', seq = 0`;
  await world.sync.replica.resume();
  await world.caughtUp();
  expect((await world.held("lives")).bodies[0]).toMatchObject({ content: null });
});

test("versions that were told as a lost one withholds them are told again as the primary has them", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m0", { content: "other" });
  await world.caughtUp();
  await world.paused();
  for (const id of ["redacted", "withdrawn"]) for (const n of [1, 2]) await world.put(id, { content: `${id} ${n}` });
  const putBack = await rememberLedger(world.world.sql);
  await world.put("redacted", { content: "lost", privacy: "redacted" });
  await world.put("withdrawn", { content: "lost", privacy: "local_only" });
  await world.put("m0", { content: "lost" });
  await world.sync.replica.resume();
  await world.caughtUp();
  // As where the primary was put back in the midst of it: what withheld them has not arrived.
  await world.paused();
  await world.replica`
    with gone as (delete from mnemosync.memory_bodies where memory_id in ('redacted', 'withdrawn') and version = 3)
    update mnemosync.memory_versions v
    set version = 2, checksum = b.checksum, tx_id = b.tx_id, version_vector = b.version_vector, ended_by = b.ended_by,
        deleted_at = case when b.checksum is null then b.modified_at end
    from mnemosync.memory_bodies b
    where b.namespace = v.namespace and b.memory_id = v.memory_id and b.version = 2 and v.memory_id <> 'm0'`;
  expect((await world.held("redacted")).bodies[1]).toMatchObject({ endedBy: null, content: "" });
  await putBack();
  await world.sync.replica.resume();
  await expect.poll(async () => (await world.held("m0")).row?.version, { timeout: 60_000 }).toBe(1);
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
});

test("a memory that was made anew in a lost history is as old again as it was", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  await world.sync.delete("m1");
  await world.put("m1", { content: "lost" });
  await world.caughtUp();
  await putBack();
  await world.put("m2", { content: "other" });
  await expect.poll(async () => (await world.held("m1")).row?.version, { timeout: 60_000 }).toBe(1);
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
    .poll(async () => (await world.held("m1")).row, { timeout: 60_000 })
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
  await world.paused();
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
