import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { LedgerHub } from "../../src/hub/ledger-hub.ts";
import { type ExportRecord, MemorySynchronizer, type ReadSources } from "../../src/index.ts";
import { promoteReplica } from "../../src/replica/promote.ts";
import { feedShown } from "../support/feed-shown.ts";
import { NEVER_ABORTED, TestDevice } from "../support/hub-client.ts";
import { rememberLedger } from "../support/ledger-past.ts";
import { openReplicaWorld, type ReplicaWorld } from "../support/replica-world.ts";
import { openWorld } from "../support/world.ts";

vi.setConfig({ testTimeout: 300_000 });

/** Goal: merged reads keep their promise over two real databases of which one is put back, imported into, or promoted. */

const past = "2020-01-01T00:00:00.000Z";
const OK: ReadSources = { primary: "ok", replica: "ok" };
const options = {
  replica: { archive: "expired" as const, readTimeoutMs: 20_000 },
  world: { settings: { syncIntervalMs: 100 } },
};

async function expired(world: ReplicaWorld, memoryId: string): Promise<void> {
  await world.put(memoryId, { content: `${memoryId} archived`, expiresAt: past });
  await expect
    .poll(() => world.world.sql`select ended_by from mnemosync.memory_versions where memory_id = ${memoryId}`, {
      timeout: 60_000,
    })
    .toEqual([{ ended_by: "expired" }]);
}

/** The contents of all memories by every read, which must agree. */
async function shown({ sync }: ReplicaWorld, ids: readonly string[]) {
  let sources: ReadSources | null = null;
  const onSources = (told: ReadSources): void => {
    sources = told;
  };
  const got = await sync.getMany(ids, { onSources });
  const found = ids.filter((_, at) => got[at] !== null);
  const page = await sync.list();
  expect(page.memories.map(({ memoryId }) => memoryId)).toEqual([...found].sort());
  expect((await sync.count()).count).toBe(found.length);
  expect(page.sources).toEqual(sources);
  return { contents: Object.fromEntries(ids.map((id, at) => [id, got[at]?.content ?? null])), sources };
}

test("after a restore of the primary, reads stand on the primary alone until the replica has compared itself; nothing deleted or lost comes back", async (t) => {
  const world = await openReplicaWorld(t, options);
  await expired(world, "archived");
  await world.put("kept", { content: "kept 1" });
  await world.put("deleted", { content: "to be deleted" });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  await world.put("kept", { content: "kept 2, lost" });
  await world.put("lost", { content: "written and lost" });
  await world.sync.delete("deleted");
  await expired(world, "late");
  await world.caughtUp();
  const ids = ["archived", "deleted", "kept", "late", "lost"];
  const archived = "archived archived";
  expect(await shown(world, ids)).toEqual({
    contents: { archived, deleted: null, kept: "kept 2, lost", late: "late archived", lost: "written and lost" },
    sources: OK,
  });
  await world.paused();
  await putBack();
  const back = { deleted: "to be deleted", kept: "kept 1", late: null, lost: null };
  // The new epoch is proven by the node itself, a moment later; until then what the primary lost may still be shown by the replica.
  await expect
    .poll(() => shown(world, ids), { timeout: 60_000 })
    .toEqual({ contents: { ...back, archived: null }, sources: { primary: "ok", replica: "behind" } });
  await world.put("kept", { content: "kept anew" });
  await world.sync.delete("deleted");
  await world.sync.replica.resume();
  await world.caughtUp();
  await expect
    .poll(() => shown(world, ids), { timeout: 60_000 })
    .toEqual({
      contents: { ...back, archived, deleted: null, kept: "kept anew" },
      sources: OK,
    });
});

test("a replica that is put back to an older copy shows nothing that was deleted since, and goes on", async (t) => {
  const world = await openReplicaWorld(t, options);
  await expired(world, "archived");
  await world.put("deleted", { content: "to be deleted" });
  await world.caughtUp();
  const { replica } = world;
  const tables = ["memory_versions", "memory_bodies", "replica_cursor", "diverged"];
  await replica.unsafe(
    tables.map((table) => `create table public.past_${table} as select * from mnemosync.${table}`).join(";"),
  );
  await world.sync.delete("deleted");
  await world.sync.delete("archived");
  await expired(world, "late");
  await world.caughtUp();
  const ids = ["archived", "deleted", "late"];
  const now = { contents: { archived: null, deleted: null, late: "late archived" }, sources: OK };
  expect(await shown(world, ids)).toEqual(now);
  await world.paused();
  await replica.unsafe(
    tables
      .flatMap((table) => [
        `delete from mnemosync.${table}`,
        `insert into mnemosync.${table} select * from public.past_${table}`,
      ])
      .join(";"),
  );
  expect(await shown(world, ids)).toEqual({ contents: { archived: null, deleted: null, late: null }, sources: OK });
  await world.sync.replica.resume();
  await world.caughtUp();
  expect(await shown(world, ids)).toEqual(now);
});

test("history that came by an import stands in the primary alone, and merged histories have each version once", async (t) => {
  const origin = await openWorld(t, { faiss: false, redis: false });
  for (const content of ["one", "two", "three"]) await origin.sync.syncMemory("m", { content, memoryType: "note" });
  const records: ExportRecord[] = [];
  for await (const record of origin.sync.exportMemories({ history: true })) records.push(record);
  const world = await openReplicaWorld(t, options);
  await world.sync.importMemories(records);
  await world.put("m", { content: "four" });
  await world.caughtUp();
  const numbers = async () => (await world.sync.history("m")).map(({ version }) => version);
  expect(await numbers()).toEqual([4, 3, 2, 1]);
  const { bodies } = await world.held("m");
  expect(bodies.map(({ version }) => version)).toEqual([3, 4]);
  // What the primary prunes, the replica has as far as it was told.
  await world.world.sql`delete from mnemosync.memory_bodies where memory_id = 'm' and version < 4`;
  expect(await numbers()).toEqual([4, 3]);
  await world.sync.delete("m");
  await world.caughtUp();
  expect((await world.sync.history("m")).map(({ version, endedBy }) => [version, endedBy])).toEqual([
    [5, "deleted"],
    [4, undefined],
  ]);
});

test("after a promotion, devices and indexes of the former primary see another epoch, and begin anew", async (t) => {
  const world = await openReplicaWorld(t, { world: { faiss: { dimension: 4 }, settings: { syncIntervalMs: 100 } } });
  const vector = [1, 0, 0, 0];
  await world.put("a", { content: "sent", embedding: vector });
  await world.caughtUp();
  const former = new LedgerHub({ postgresUrl: world.world.databaseUrl, device: "laptop" });
  t.onTestFinished(() => former.close());
  const identity = await former.identify(NEVER_ABORTED);
  const device = new TestDevice(former, "laptop");
  device.epoch = identity.epoch;
  expect((await device.pull()).map(({ memoryId }) => memoryId)).toEqual(["a"]);
  // What the primary had not sent.
  await world.paused();
  await world.put("unsent", { content: "lost with the primary", embedding: [0, 1, 0, 0] });
  await world.world.disconnect();

  const pool = new PostgresPool(world.replicaUrl, { max: 1 });
  t.onTestFinished(() => pool.close());
  const promotion = await promoteReplica(pool, {}, AbortSignal.timeout(90_000));
  const hub = new LedgerHub({ postgresUrl: world.replicaUrl, device: "laptop" });
  t.onTestFinished(() => hub.close());
  expect((await hub.identify(NEVER_ABORTED)).epoch).toBe(promotion.epoch);
  const moved = new TestDevice(hub, "laptop");
  moved.epoch = identity.epoch;
  moved.cursor = device.cursor;
  await expect(moved.page()).rejects.toMatchObject({ code: "RESYNC_REQUIRED" });

  // The index folder of the former primary's node has a vector that the new ledger does not know.
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-promoted-"));
  t.onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const open = async (folder: string) => {
    const sync = await MemorySynchronizer.connect({
      postgresUrl: world.replicaUrl,
      redisUrl: "none",
      faiss: { directory: folder, dimension: 4 },
    });
    t.onTestFinished(() => sync.close());
    return sync;
  };
  await feedShown({ sql: world.replica });
  const promoted = await open(world.world.directory);
  expect((await promoted.search(vector, { k: 5 })).map(({ memory }) => memory.memoryId)).toEqual(["a"]);
  await promoted.syncMemory("b", { content: "new", memoryType: "note", embedding: [0, 0, 1, 0] });
  expect((await promoted.checkConsistency({ scope: "full" })).findings).toEqual([]);
  await feedShown({ sql: world.replica });
  expect((await (await open(directory)).search([0, 0, 1, 0], { k: 1 }))[0]?.memory.memoryId).toBe("b");
});
