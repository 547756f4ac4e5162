import { expect } from "vitest";
import type { Job } from "../../src/jobs/job.ts";
import { backToOldTables } from "./before-bodies.ts";
import { type MoveCrashOrder, runMoverUntilCrash } from "./crash-run.ts";
import { feedShown } from "./feed-shown.ts";
import { auditLedger } from "./ledger-audit.ts";
import { openWorld, type World } from "./world.ts";

const COUNT = 42;

/** Memories of up to four versions, deleted ones and some that came back among them, in the old tables. */
export async function oldLedger(t: Parameters<typeof openWorld>[0]): Promise<World> {
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

async function changesFromStart(world: World): Promise<string[]> {
  await feedShown(world);
  const told: string[] = [];
  for await (const { kind, memoryId, version } of world.sync.changes({ follow: false, includeLocal: true })) {
    told.push(`${kind} ${memoryId}@${version}`);
  }
  return told;
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
  for await (const job of world.sync.jobs.changes(id, { signal: AbortSignal.timeout(240_000) })) last = job;
  return last as unknown as Job;
}

/**
 * Has a mover die, and looks at all that can be read before, between and after: nothing is lost, writes go on, and another
 * node ends the job.
 */
export async function expectHarmlessDeath(
  t: Parameters<typeof openWorld>[0],
  order: Omit<MoveCrashOrder, "options">,
): Promise<void> {
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
    if (order.batch > 1) expect(between.unmoved).toBeLessThan(COUNT);
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
}
