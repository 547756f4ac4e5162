import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import type { RetentionRules } from "../../src/ledger/retention-statements.ts";
import { TombstoneLedger } from "../../src/ledger/tombstone-ledger.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: a memory that ended long ago is forgotten, and none of its version numbers is ever given out again. Method: real writes
 * and prunings; time passes by moving what stands in the tables.
 */

const DAY_MS = 86_400_000;
const KEPT = { historyVersionsMax: 10, historyMs: 0, evidenceMs: 0 };
const A_DAY: RetentionRules = { general: { ...KEPT, tombstoneMs: DAY_MS }, byNamespace: new Map() };
const signal = AbortSignal.timeout(120_000);

async function openPruned(t: Parameters<typeof openWorld>[0]): Promise<{ world: World; ledger: TombstoneLedger }> {
  const world = await openWorld(t, { faiss: false });
  const pool = new PostgresPool(world.databaseUrl, { max: 2 });
  t.onTestFinished(() => pool.close());
  return { world, ledger: new TombstoneLedger(pool, { callTimeoutMs: 20_000 }) };
}

/** Two days later, or the ten minutes after which a raised floor is known to every statement. */
const endedLongAgo = ({ sql }: World) =>
  sql`update mnemosync.memory_versions set deleted_at = deleted_at - interval '2 days' where deleted_at is not null`;
const floorsAreKnown = ({ sql }: World) =>
  sql`update mnemosync.version_floors set raised_at = raised_at - interval '11 minutes'`;

const rows = async ({ sql }: World, memoryId: string): Promise<number> => {
  const found = await sql`
    select version from mnemosync.memory_versions where memory_id = ${memoryId}
    union all select version from mnemosync.memory_bodies where memory_id = ${memoryId}`;
  return found.length;
};

test("a tombstone goes once its floor has stood for ten minutes, and a new life starts above every version of the old one", async (t) => {
  const { world, ledger } = await openPruned(t);
  await world.fill(3);
  await world.put(world.memory(1, { content: "second" }));
  await world.sync.delete("m1");
  await world.sync.delete("m2");
  expect(await ledger.pruneTombstones(A_DAY, DAY_MS, 10, signal)).toEqual({ pruned: 0, raised: 0 });
  await endedLongAgo(world);
  // A transaction is marked as published shortly after its answer.
  await pollUntil("both floors raised", 60_000, async () => {
    await ledger.pruneTombstones(A_DAY, DAY_MS, 10, signal);
    return (await world.sql`select 1 from mnemosync.version_floors`).length === 2;
  });
  expect(await ledger.pruneTombstones(A_DAY, DAY_MS, 10, signal)).toEqual({ pruned: 0, raised: 0 });
  expect(await rows(world, "m1")).toBe(4);
  await floorsAreKnown(world);
  expect(await ledger.pruneTombstones(A_DAY, DAY_MS, 10, signal)).toEqual({ pruned: 2, raised: 0 });
  expect([await rows(world, "m0"), await rows(world, "m1"), await rows(world, "m2")]).toEqual([2, 0, 0]);
  expect(await world.sync.history("m1")).toEqual([]);
  expect((await world.sync.checkConsistency({ scope: "deep" })).findings).toEqual([]);
  // By the statement, by COPY beside many others, and as an import of the old version.
  expect(await world.put(world.memory(1, { content: "anew" }))).toMatchObject({ status: "synced", version: 4 });
  const outcomes = await world.sync.syncBatch([...world.memories(60, 100), world.memory(2)]);
  expect(outcomes.at(-1)).toMatchObject({ memoryId: "m2", status: "synced", version: 3 });
  expect(new Set(outcomes.slice(0, -1).map(({ version }) => version))).toEqual(new Set([1]));
  expect(await world.sync.get("m1")).toMatchObject({ content: "anew", version: 4 });
  expect((await world.sync.history("m1")).map(({ version }) => version)).toEqual([4]);
  expect((await world.sync.checkConsistency({ scope: "deep" })).findings).toEqual([]);
});

test("an import cannot bring a version number back that was given out", async (t) => {
  const { world, ledger } = await openPruned(t);
  await world.fill(1);
  const records: unknown[] = [];
  for await (const record of world.sync.exportMemories()) records.push(record);
  await world.sync.delete("m0");
  await endedLongAgo(world);
  await pollUntil("the tombstone pruned", 60_000, async () => {
    await ledger.pruneTombstones(A_DAY, DAY_MS, 10, signal);
    await floorsAreKnown(world);
    return (await rows(world, "m0")) === 0;
  });
  expect(await world.sync.importMemories(records)).toMatchObject({ synced: 1, rejected: 0 });
  expect(await world.sync.get("m0")).toMatchObject({ version: 3, content: world.memory(0).content });
});

test("an erased memory, and one that a reader, a store or a person still waits for, keep their tombstones", async (t) => {
  const { world, ledger } = await openPruned(t);
  await world.fill(5);
  for (const memoryId of ["m0", "m1", "m2", "m3", "m4"]) await world.sync.delete(memoryId);
  await endedLongAgo(world);
  await world.sql`update mnemosync.memory_versions set ended_by = 'erased' where memory_id = 'm0'`;
  await world.sql`insert into mnemosync.sync_queue (store, node_id, namespace, memory_id) values ('other', '', 'default', 'm1')`;
  await world.sql`
    insert into mnemosync.conflict_resolutions (namespace, memory_id, store, kind, strategy, state)
    values ('default', 'm2', 'redis', 'ahead', 'manual', 'pending')`;
  await world.sql`
    insert into mnemosync.feed_cursors (name, epoch, xid, seq)
    select 'reader', value, b.xid, b.seq from mnemosync.sync_meta, mnemosync.memory_bodies b
    where name = 'store_epoch' and b.memory_id = 'm3' and b.checksum is null`;
  let pruned = 0;
  await pollUntil("what nothing waits for being pruned", 60_000, async () => {
    pruned += (await ledger.pruneTombstones(A_DAY, DAY_MS, 10, signal)).pruned;
    await floorsAreKnown(world);
    return (await rows(world, "m3")) === 0;
  });
  expect(await ledger.pruneTombstones(A_DAY, DAY_MS, 10, signal)).toEqual({ pruned: 0, raised: 0 });
  expect(pruned).toBe(1); // m4 was deleted behind the reader's place.
  expect(await Promise.all(["m0", "m1", "m2", "m3", "m4"].map((memoryId) => rows(world, memoryId)))).toEqual([
    3, 3, 3, 0, 3,
  ]);
});

test("a namespace keeps its tombstones as long as its own rule says", async (t) => {
  const { world, ledger } = await openPruned(t);
  for (const namespace of ["short", "long", "ever", "default"]) {
    await world.put({ ...world.memory(0), namespace });
    await world.sync.delete("m0", { namespace });
  }
  await endedLongAgo(world);
  const own = (tombstoneMs: number) => ({ ...KEPT, tombstoneMs });
  const byNamespace = new Map([
    ["short", own(DAY_MS)],
    ["long", own(30 * DAY_MS)],
    ["ever", own(0)],
  ] as const);
  const left = async () =>
    (await world.sql<{ namespace: string }[]>`select namespace from mnemosync.memory_versions order by namespace`).map(
      ({ namespace }) => namespace,
    );
  const prune = async (rules: RetentionRules, gone: string) =>
    await pollUntil(`the tombstone of ${gone} pruned`, 60_000, async () => {
      await ledger.pruneTombstones(rules, DAY_MS, 10, signal);
      await floorsAreKnown(world);
      return !(await left()).includes(gone);
    });
  await prune({ general: own(0), byNamespace }, "short");
  expect(await left()).toEqual(["default", "ever", "long"]);
  await prune({ general: own(DAY_MS), byNamespace }, "default");
  expect(await left()).toEqual(["ever", "long"]);
  expect(await ledger.pruneTombstones({ general: own(0), byNamespace: new Map() }, DAY_MS, 10, signal)).toEqual({
    pruned: 0,
    raised: 0,
  });
});
