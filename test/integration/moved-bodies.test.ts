import { expect, test } from "vitest";
import type { Job } from "../../src/jobs/job.ts";
import { backToOldTables } from "../support/before-bodies.ts";
import { type MoveCrashOrder, runMoverUntilCrash } from "../support/crash-run.ts";
import { auditLedger } from "../support/ledger-audit.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: what an older program left in its tables is read, written, checked, exported and followed as ever, before it is moved,
 * while it is, and afterwards, whenever the mover dies. Method: a ledger put back into the old tables; a job in a process that
 * kills itself in the midst of a batch; readers before, between and after.
 */

const COUNT = 60;

/** Memories of up to four versions, deleted ones and some that came back among them, in the old tables. */
async function oldLedger(t: Parameters<typeof openWorld>[0]): Promise<World> {
  const world = await openWorld(t, { settings: { publishDeadlineMs: 100 } });
  await world.fill(COUNT);
  for (const step of [2, 3, 5]) {
    const changed = world.memories(COUNT).filter((_, at) => at % step === 0);
    await world.sync.syncBatch(changed.map((memory) => ({ ...memory, content: `${memory.content}, by ${step}` })));
  }
  for (let at = 0; at < COUNT; at += 7) await world.sync.delete(`m${at}`);
  for (let at = 0; at < COUNT; at += 14) await world.put(world.memory(at, { content: "came back" }));
  await world.sync.backlog.drain();
  await world.disconnect();
  await backToOldTables(world.sql);
  return world;
}

/** Everything that callers can read, by memory; and an export with all history. */
async function readAll({ sync }: World): Promise<{ memories: Map<string, unknown>; exported: string[] }> {
  const memories = new Map<string, unknown>();
  for (let at = 0; at < COUNT; at++) {
    const memoryId = `m${at}`;
    const history = await sync.history(memoryId);
    const current = await sync.get(memoryId);
    memories.set(memoryId, { current: current && { ...current, source: null }, history });
  }
  const exported: string[] = [];
  for await (const record of sync.exportMemories({ history: true, includeLocal: true })) {
    if ("memoryId" in record) exported.push(JSON.stringify(record));
  }
  return { memories, exported };
}

async function changesFromStart({ sync }: World): Promise<string[]> {
  const told: string[] = [];
  for await (const { kind, memoryId, version } of sync.changes({ follow: false, includeLocal: true })) {
    told.push(`${kind} ${memoryId}@${version}`);
  }
  return told;
}

async function created({ sql }: World): Promise<Record<string, number>> {
  const rows = await sql<{ id: string; at: number }[]>`
    select memory_id as id, round(extract(epoch from coalesce(created_at, modified_at)) * 1000)::float8 as at
    from mnemosync.memory_versions`;
  return Object.fromEntries(rows.map(({ id, at }) => [id, at]));
}

const left = async ({ sql }: World) => {
  const [row] = await sql<{ unmoved: number; documents: number; history: number; bodies: number }[]>`
    select (select count(*) from mnemosync.memory_versions where xid is not null)::int as unmoved,
           (select count(*) from mnemosync.unmoved_documents)::int as documents,
           (select count(*) from mnemosync.unmoved_history)::int as history,
           (select count(*) from mnemosync.memory_bodies)::int as bodies`;
  return row!;
};

/** The job, once a node has taken it over and ended it. */
async function endedByAnotherNode(world: World, id: string): Promise<Job> {
  await world.sql`
    update mnemosync.jobs set lease_expires_at = clock_timestamp() - interval '1 second' where id = ${id} and state = 'running'`;
  world.sync.start();
  let last: Job | null = null;
  for await (const job of world.sync.jobs.changes(id, { signal: AbortSignal.timeout(60_000) })) last = job;
  return last as unknown as Job;
}

const DEATHS: readonly Omit<MoveCrashOrder, "options">[] = [
  { call: "moveBatch", point: "during", batch: 3 },
  { call: "moveBatch", point: "after", batch: 4 },
  { call: "replaceFeedIndex", point: "during", batch: 1 },
];

for (const order of DEATHS) {
  const where = `${order.point} ${order.call} (batch ${order.batch})`;
  test(`a mover that dies ${where} loses nothing, and another node goes on`, async (t) => {
    const world = await oldLedger(t);
    await world.connect();
    const before = await readAll(world);
    const feed = await changesFromStart(world);
    expect(await left(world)).toMatchObject({ unmoved: COUNT, bodies: 0 });
    expect((await world.sync.checkConsistency({ scope: "deep", resume: false })).findings).toEqual([]);

    const { faiss: _, ...options } = world.connectOptions;
    await runMoverUntilCrash({ options: { ...options, nodeId: "mover" }, ...order });
    const between = await left(world);
    if (order.call === "moveBatch") {
      expect(between.unmoved).toBeGreaterThan(0);
      expect(between.unmoved).toBeLessThan(COUNT);
    }
    expect(await readAll(world)).toEqual(before);
    expect(await changesFromStart(world)).toEqual(feed);
    expect((await world.sync.checkConsistency({ scope: "deep", resume: false })).findings).toEqual([]);
    // Writes go on, whether their memory is moved or not: a put, a delete, a rollback.
    const outcomes = [
      await world.put(world.memory(1, { content: "between" })),
      await world.put(world.memory(COUNT - 1, { content: "between" })),
      await world.sync.delete(`m${COUNT - 3}`),
      await world.sync.rollback("m6", 1),
    ];
    expect(outcomes.map(({ status }) => status)).toEqual(["synced", "synced", "synced", "synced"]);

    const [{ id }] = (await world.sync.jobs.list()) as [Job];
    expect(await endedByAnotherNode(world, id)).toMatchObject({ kind: "move_bodies", state: "done" });
    expect(await left(world)).toMatchObject({ unmoved: 0, documents: 0, history: 0 });
    const after = await readAll(world);
    for (const [memoryId, was] of before.memories) {
      const { history } = after.memories.get(memoryId) as { history: unknown[] };
      expect(history.slice(-(was as { history: unknown[] }).history.length), memoryId).toEqual(
        (was as { history: unknown[] }).history,
      );
    }
    expect(await auditLedger(world.sql)).toEqual([]);
    expect((await world.sync.checkConsistency({ scope: "deep", resume: false })).findings).toEqual([]);
    const indexes = await world.sql<{ name: string }[]>`
    select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = 'mnemosync.memory_versions'::regclass and c.relname ~ '(feed|unmoved)_index' and i.indisvalid`;
    expect(indexes.map(({ name }) => name)).toEqual(["memory_versions_unmoved_index"]);
    expect(await world.sync.jobs.start("move_bodies", {})).toMatchObject({ outcome: "started" });
  });
}

test("a time of creation is that of the oldest version that is known since the memory ended last, and stays", async (t) => {
  const world = await oldLedger(t);
  const oldest = await world.sql<{ id: string; at: number }[]>`
    with versions as (
      select memory_id, version, checksum, modified_at from mnemosync.memory_versions
      union all select memory_id, version, checksum, modified_at from mnemosync.memory_history
    ), current as (
      select memory_id, max(version) as version from versions group by memory_id
    ), ended as (
      select v.memory_id, max(v.version) as version from versions v join current c using (memory_id)
      where v.checksum is null and v.version < c.version group by v.memory_id
    )
    select v.memory_id as id, round(extract(epoch from min(modified_at)) * 1000)::float8 as at
    from versions v left join ended e using (memory_id) where v.version > coalesce(e.version, 0) group by v.memory_id`;
  await world.connect();
  const { job } = (await world.sync.jobs.start("move_bodies", { batchSize: 25 })) as { job: Job };
  for await (const { state } of world.sync.jobs.changes(job.id)) expect(["queued", "running", "done"]).toContain(state);
  expect(await created(world)).toEqual(Object.fromEntries(oldest.map(({ id, at }) => [id, at])));
  const before = await created(world);
  await world.put(world.memory(2, { content: "another" }));
  await world.sync.delete("m3");
  expect(await created(world)).toEqual(before);
  await world.put(world.memory(3, { content: "a new life" }));
  expect((await created(world)).m3).toBeGreaterThan(before.m3 as number);
});

test("a program from before the migration that still runs is told to stop, and writes nothing", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(1);
  const before = await world.footprint();
  const older = [
    world.sql`insert into mnemosync.memories (namespace, memory_id, document) values ('default', 'm1', '{}')`,
    world.sql`update mnemosync.memories set document = '{}'`,
    world.sql`delete from mnemosync.memories`,
    world.sql`delete from mnemosync.memory_history where memory_id = 'm0'`,
  ];
  const answers = await Promise.allSettled(older);
  for (const answer of answers.slice(0, 3)) {
    expect(answer).toMatchObject({
      reason: { message: expect.stringMatching(/older than its database: since migration 19/) },
    });
  }
  expect(await world.footprint()).toEqual(before);
});
