import { readFile } from "node:fs/promises";
import { expect, test, vi } from "vitest";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { promoteReplica } from "../../src/replica/promote.ts";
import { openReplicaWorld } from "../support/replica-world.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase } from "../support/template-database.ts";

vi.setConfig({ testTimeout: 300_000 });

test("verify finds nothing where only privacy makes the sides differ", async (t) => {
  const world = await openReplicaWorld(t);
  await world.world.fill(50);
  await world.put("local", { content: "x", privacy: "local_only" });
  await world.put("redacted", { content: "x", privacy: "redacted" });
  await world.sync.delete("m1");
  await world.caughtUp();
  const found = await world.sync.replica.verify({ deep: true });
  expect(found).toMatchObject({ clean: true, findings: [], underway: 0, cut: false });
  expect(found.bucketsCompared).toBe(2);
});

test("verify names what differs by its kind, and a repair mends all of it", async (t) => {
  const world = await openReplicaWorld(t);
  await world.world.fill(40);
  const ids = (await world.sync.list({ limit: 10 })).memories.map(({ memoryId }) => memoryId);
  const [missing = "", stale = "", differs = "", resurrected = "", corrupt = "", ahead = ""] = ids;
  await world.put(stale, { content: "newer" });
  await world.caughtUp();
  await world.sync.delete(resurrected);
  await world.caughtUp();
  const { replica } = world;
  await replica`delete from mnemosync.memory_versions where memory_id = ${missing}`;
  await replica`
    update mnemosync.memory_versions v set version = 1, tx_id = b.tx_id, checksum = b.checksum, digest = 1
    from mnemosync.memory_bodies b where v.memory_id = ${stale} and b.memory_id = ${stale} and b.version = 1`;
  await replica`update mnemosync.memory_versions set checksum = repeat('a', 64), digest = 7 where memory_id = ${differs}`;
  await replica`
    update mnemosync.memory_versions v set version = 1, tx_id = b.tx_id, checksum = b.checksum, digest = 1, deleted_at = null, ended_by = null
    from mnemosync.memory_bodies b where v.memory_id = ${resurrected} and b.memory_id = ${resurrected} and b.version = 1`;
  await replica`
    update mnemosync.memory_bodies set document = (document::jsonb || '{"importance":0.111}')::json where memory_id = ${corrupt}`;
  await replica`update mnemosync.memory_versions set version = 9, digest = 9 where memory_id = ${ahead}`;
  await replica`
    insert into mnemosync.memory_versions
      (namespace, memory_id, version, checksum, digest, bucket, version_vector, has_embedding, modified_at, tx_id)
    values ('default', 'unknown', 1, repeat('b', 64), 3, 77, '{}', false, now(), 'tx')`;
  const found = await world.sync.replica.verify({ deep: true });
  const kinds = Object.fromEntries(found.findings.map(({ memoryId, kind }) => [memoryId, kind]));
  expect(kinds).toMatchObject({
    ...{ [missing]: "missing", [stale]: "stale", [resurrected]: "resurrected", [ahead]: "ahead" },
    ...{ unknown: expect.stringMatching(/unknown|corrupt/), [differs]: expect.stringMatching(/differs|corrupt/) },
    [corrupt]: "corrupt",
  });
  const mended = await world.sync.replica.verify({ deep: true, repair: true });
  expect(mended.findings.filter(({ repaired }) => !repaired)).toEqual([]);
  expect(await world.sync.replica.verify({ deep: true })).toMatchObject({ clean: true, findings: [] });
  await world.put("after", { content: "replication goes on" });
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
});

test("a promoted replica is a ledger of its own, in another epoch, and the former primary cannot use it", async (t) => {
  const world = await openReplicaWorld(t);
  await world.world.fill(20);
  await world.put("gone", { content: "first" });
  await world.sync.delete("gone");
  await world.put("m1", { content: "second" });
  await world.caughtUp();
  const before = await world.sync.readChanges({ limit: 1 });
  const pool = new PostgresPool(world.replicaUrl, { max: 1 });
  t.onTestFinished(() => pool.close());
  const promotion = await promoteReplica(pool, {}, AbortSignal.timeout(90_000));
  expect(promotion).toMatchObject({ memories: 20, diverged: 0 });
  await expect(promoteReplica(pool, {}, AbortSignal.timeout(90_000))).rejects.toThrow(/is no replica/);
  await expect
    .poll(async () => (await world.sync.replica.status()).state, { timeout: 60_000 })
    .toMatch(/unavailable|refused/);
  const promoted = await MemorySynchronizer.connect({ postgresUrl: world.replicaUrl, redisUrl: "none" });
  t.onTestFinished(() => promoted.close());
  expect((await promoted.get("m1"))?.content).toBe("second");
  expect((await promoted.history("m1")).map(({ version }) => version)).toEqual([2, 1]);
  expect(await promoted.get("gone")).toBeNull();
  expect(await promoted.syncMemory("gone", { content: "anew", memoryType: "note" })).toMatchObject({ version: 3 });
  expect((await promoted.checkConsistency({ scope: "deep" })).findings).toEqual([]);
  await expect(promoted.readChanges({ cursor: before.cursor })).rejects.toMatchObject({ code: "EPOCH_CHANGED" });
});

test("a promoted ledger has a replica of its own, which follows it in one epoch", async (t) => {
  const world = await openReplicaWorld(t);
  await world.world.fill(20);
  await world.put("m1", { content: "second" });
  await world.caughtUp();
  await world.world.disconnect();
  const pool = new PostgresPool(world.replicaUrl, { max: 1 });
  t.onTestFinished(() => pool.close());
  const { epoch } = await promoteReplica(pool, {}, AbortSignal.timeout(90_000));

  const third = await createTestDatabase(postgresUrl());
  t.onTestFinished(() => third.drop());
  const connected = await MemorySynchronizer.connect({
    postgresUrl: world.replicaUrl,
    redisUrl: "none",
    replica: { enabled: true, postgresUrl: third.url, retryIntervalMs: 100, reconnectBackoffMs: 50 },
  });
  t.onTestFinished(() => connected.close());
  connected.start();
  const caughtUp = async () =>
    await expect
      .poll(async () => await connected.replica.status(), { timeout: 60_000 })
      .toMatchObject({ state: "following", phase: "following", epoch, lag: { changes: 0 } });
  await caughtUp();
  // Each pass proves the ledger's history by what the one before has read.
  for (const content of ["third", "fourth"]) {
    await connected.syncMemory("m1", { content, memoryType: "note" });
    await caughtUp();
  }
  const epochs = await world.replica`select reason from mnemosync.epochs order by began_at`;
  expect(epochs.map(({ reason }) => reason)).toEqual(["created", "promoted"]);
  expect(await connected.replica.verify()).toMatchObject({ clean: true, checked: 20 });

  // A ledger that a program from before promoted is told of the same by its migration.
  const { replica: sql } = world;
  const noted = () => sql`select value from mnemosync.sync_meta where name = 'transactions_pruned_through'`;
  const [newest] = await sql`
    select max(tx_id) as value from mnemosync.memory_bodies b
    where not exists (select from mnemosync.sync_transactions t where t.tx_id = b.tx_id)`;
  await sql`delete from mnemosync.sync_meta where name = 'transactions_pruned_through'`;
  const migration = await readFile(new URL("../../sql/0044_promoted_transactions.sql", import.meta.url), "utf8");
  await sql.unsafe(migration);
  expect([...(await noted())]).toEqual([newest]);
  await sql`delete from mnemosync.epochs where reason = 'promoted'`;
  await sql`delete from mnemosync.sync_meta where name = 'transactions_pruned_through'`;
  await sql.unsafe(migration);
  expect([...(await noted())]).toEqual([]);
});

test("a replica that was never filled is not promoted without force", async (t) => {
  const world = await openReplicaWorld(t, { replica: { batchSize: 1 } });
  await world.caughtUp();
  await world.paused();
  await world.replica`update mnemosync.replica_cursor set epoch = null`;
  const pool = new PostgresPool(world.replicaUrl, { max: 1 });
  t.onTestFinished(() => pool.close());
  await expect(promoteReplica(pool, {}, AbortSignal.timeout(90_000))).rejects.toThrow(/never filled.*--force/);
  expect((await world.replica`select from mnemosync.sync_meta where name = 'replica_of'`).length).toBe(1);
  expect(await promoteReplica(pool, { force: true }, AbortSignal.timeout(90_000))).toMatchObject({ memories: 0 });
});
