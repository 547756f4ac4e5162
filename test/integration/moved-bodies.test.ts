import { expect, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import type { Sql } from "../../src/drivers/postgres/postgres-access.ts";
import type { Job } from "../../src/jobs/job.ts";
import { replaceFeedIndex } from "../../src/ledger/moved-bodies.ts";
import { MovingLedger } from "../../src/ledger/moving-ledger.ts";
import { expectHarmlessDeath, oldLedger } from "../support/dying-mover.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: what an older program left in its tables is read, written, checked, exported and followed as ever, before it is moved,
 * while it is, and afterwards, whenever the mover dies. Method: a ledger put back into the old tables; a job in a process that
 * kills itself in the midst of a batch; readers before, between and after. `moved-bodies.deep.test.ts` has more deaths.
 */

test("a mover that dies in the midst of a batch loses nothing, and another node goes on", async (t) => {
  await expectHarmlessDeath(t, { call: "moveBatch", point: "during", batch: 3 });
}, 300_000);

async function created({ sql }: World): Promise<Record<string, number>> {
  const rows = await sql<{ id: string; at: number }[]>`
    select memory_id as id, round(extract(epoch from coalesce(created_at, modified_at)) * 1000)::float8 as at
    from mnemosync.memory_versions`;
  return Object.fromEntries(rows.map(({ id, at }) => [id, at]));
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

test("the replacement of the feed's index waits for older transactions longer than a statement waits for a row", async (t) => {
  const world = await oldLedger(t);
  await world.connect();
  const [mover, older] = [await world.sql.reserve(), await world.sql.reserve()];
  t.onTestFinished(() => {
    for (const connection of [mover, older]) connection.release();
  });
  await older`begin`;
  await older`lock table mnemosync.memory_versions in row exclusive mode`;
  await mover`set lock_timeout = '50ms'`;
  const [process] = await mover<{ pid: number }[]>`select pg_backend_pid() as pid`;
  let failure: unknown = null;
  const replaced = replaceFeedIndex(mover as unknown as Sql).catch((error: unknown) => {
    failure = error;
  });
  await pollUntil("a wait of many lock time-outs", 60_000, async () => {
    const [row] = await world.sql<{ waits: boolean }[]>`
      select wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '500 milliseconds' as waits
      from pg_stat_activity where pid = ${process?.pid ?? 0}`;
    return row?.waits === true || failure !== null;
  });
  await older`commit`;
  await replaced;
  expect(failure).toBeNull();
  expect(await mover`show lock_timeout`).toMatchObject([{ lock_timeout: "50ms" }]);
  expect(await mover`select to_regclass('mnemosync.memory_versions_feed_index') as old`).toMatchObject([{ old: null }]);
});

test("the replacement of the feed's index is not bound to the time of a call, which a large ledger would exceed at each attempt", async (t) => {
  const world = await oldLedger(t);
  await world.connect();
  const [index, older] = [await world.sql.reserve(), await world.sql.reserve()];
  t.onTestFinished(() => {
    for (const connection of [index, older]) connection.release();
  });
  await older`begin`;
  await older`lock table mnemosync.memory_versions in row exclusive mode`;
  const access = {
    use: async (signal: AbortSignal, work: (connection: { sql: Sql }) => Promise<void>) => {
      const ended = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return await Promise.race([ended, work({ sql: index as unknown as Sql })]);
    },
  };
  const ledger = new MovingLedger(access as never, { callTimeoutMs: 100 });
  const [process] = await index<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const replaced = ledger.replaceFeedIndex(new AbortController().signal).then(
    () => null,
    (error: unknown) => error,
  );
  await pollUntil("a wait of several times a call's time", 60_000, async () => {
    const [row] = await world.sql<{ waits: boolean }[]>`
      select wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '400 milliseconds' as waits
      from pg_stat_activity where pid = ${process?.pid ?? 0}`;
    return row?.waits === true;
  });
  await older`commit`;
  expect(await replaced).toBeNull();
});
