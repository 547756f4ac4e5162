import { expect, test, vi } from "vitest";
import { rememberLedger } from "../support/ledger-past.ts";
import { openReplicaWorld, type ReplicaWorld } from "../support/replica-world.ts";

vi.setConfig({ testTimeout: 120_000 });

/**
 * Goal: what a primary says that was put back is not written to the replica until that was noticed, whoever asks it beside the feed:
 * until then a row would go back in the epoch that it is of.
 */

/** As `rememberLedger`, with the marks that were made since. @param also what is lost beside, as SQL. */
async function rememberPrimary({ world: { sql } }: ReplicaWorld): Promise<(also?: string) => Promise<void>> {
  const putBack = await rememberLedger(sql);
  const [row] = await sql<{ newest: string }[]>`select coalesce(max(number), 0)::text as newest from mnemosync.marks`;
  return async (also = "") => {
    await sql.unsafe(`delete from mnemosync.marks where number > ${row?.newest ?? "0"}; ${also}`);
    await putBack();
  };
}

/** Has the replica note each row that changes or goes from now on, with the epoch that is read then. */
async function noteChanges({ replica }: ReplicaWorld): Promise<void> {
  await replica.unsafe(`
    create table public.changes (id bigint generated always as identity, line text, epoch text);
    create function public.note_change() returns trigger language plpgsql as $$
    begin
      insert into public.changes (line, epoch)
      select old.memory_id || '@' || old.version || coalesce(' to ' || new.version, ' gone'), feed_epoch from mnemosync.replica_cursor;
      return null;
    end $$;
    create trigger note_change after update or delete on mnemosync.memory_versions
      for each row execute function public.note_change()`);
}

/** Changes of rows that were noted in `epoch`, and those of later epochs. */
async function changesOf({ replica }: ReplicaWorld, epoch: string) {
  const rows = await replica<{ line: string; epoch: string }[]>`select line, epoch from public.changes order by id`;
  const lines = (isOf: boolean) => rows.filter((row) => (row.epoch === epoch) === isOf).map(({ line }) => line);
  return { before: lines(true), later: lines(false) };
}

async function epochOf({ replica }: ReplicaWorld): Promise<string> {
  const [row] = await replica<{ epoch: string }[]>`select feed_epoch as epoch from mnemosync.replica_cursor`;
  return row?.epoch ?? "";
}

/** Runs `work` while the node is behind a pass, which has proven the primary, and before it looks for letters. */
async function behindPass({ replica }: ReplicaWorld, work: () => Promise<void>): Promise<void> {
  const holder = await replica.reserve();
  await holder`begin`;
  // Between two passes it is read first of all, and within them by nobody.
  await holder`lock table mnemosync.replica_dead_letters in access exclusive mode`;
  const isHeld = async () => {
    const waiting = await replica`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    return waiting.length > 0;
  };
  await expect.poll(isHeld, { timeout: 20_000, interval: 20 }).toBe(true);
  await work();
  await holder`rollback`;
  holder.release();
}

const reasonsOf = async ({ world: { sql } }: ReplicaWorld) =>
  (await sql<{ reason: string }[]>`select reason from mnemosync.epochs order by began_at`).map(({ reason }) => reason);

/** Waits until the replica is of a later epoch, and as the primary is. */
async function agrees(world: ReplicaWorld, epoch: string): Promise<void> {
  await expect.poll(() => epochOf(world), { timeout: 30_000 }).not.toBe(epoch);
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
  expect(await reasonsOf(world)).toHaveLength(2);
}

/** `m1` is at 3, its version 2 was refused, and there is a dead letter of it. The primary can be put back to where it was at 1. */
async function openRefused(t: Parameters<typeof openReplicaWorld>[0]) {
  const world = await openReplicaWorld(t, { replica: { retriesMax: 0 } });
  await world.put("m1", { content: "kept" });
  await world.caughtUp();
  const putBack = await rememberPrimary(world);
  await world.replica.unsafe(`
    alter table mnemosync.memory_bodies add constraint refuses check (not (memory_id = 'm1' and version = 2)) not valid`);
  await world.put("m1", { content: "lost, and refused" });
  const dead = async () => (await world.sync.replica.status()).deadLetters?.dead;
  await expect.poll(dead, { timeout: 30_000 }).toBe(1);
  await world.put("m1", { content: "lost" });
  await expect.poll(async () => (await world.held("m1")).row?.version, { timeout: 30_000 }).toBe(3);
  // It overtook the letter, which was tried again.
  const isOver = async () => {
    const [hole] = await world.replica`select (data ->> 'version')::int as version from mnemosync.replica_dead_letters`;
    return hole?.version === 3 && (await dead()) === 1;
  };
  await expect.poll(isOver, { timeout: 30_000 }).toBe(true);
  await world.caughtUp();
  return { world, putBack, epoch: await epochOf(world) };
}

test("a letter that is due has no row go back before it is noticed that the primary was put back", async (t) => {
  const { world, putBack, epoch } = await openRefused(t);
  await noteChanges(world);
  await behindPass(world, async () => {
    await putBack();
    await world.sync.replica.retry();
  });
  await agrees(world, epoch);
  const { before, later } = await changesOf(world, epoch);
  expect(before).toEqual([]);
  expect(later).toContain("m1@3 to 1");
  // It is tried again: its attempts are not over.
  const letters = async () => (await world.sync.replica.status()).deadLetters;
  await expect.poll(letters, { timeout: 30_000 }).toEqual({ waiting: 0, dead: 0 });
  expect(await world.replica`select from mnemosync.replica_dead_letters`).toHaveLength(0);
});

test("a repair has no row go back before it is noticed that the primary was put back", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "kept" });
  await world.caughtUp();
  const putBack = await rememberPrimary(world);
  for (const content of ["lost 2", "lost 3"]) await world.put("m1", { content });
  await world.caughtUp();
  const epoch = await epochOf(world);
  // Of a process that has never replicated, as a command has it.
  await world.paused();
  await world.world.restart();
  await noteChanges(world);
  await putBack();
  await expect(world.sync.replica.verify({ repair: true })).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
    message: expect.stringMatching(/its primary was put back/),
  });
  expect(await changesOf(world, epoch)).toEqual({ before: [], later: [] });
  world.sync.start();
  await world.sync.replica.resume();
  await agrees(world, epoch);
  expect((await changesOf(world, epoch)).before).toEqual([]);
  expect(await world.sync.replica.verify({ deep: true, repair: true })).toMatchObject({ clean: true });
});

test("an erasure ends no memory that was revived since before it is noticed that the primary was put back", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "erased" });
  await world.caughtUp();
  const { id } = await world.sync.erase("m1");
  const stateOf = async () => (await world.sync.erasures.get(id)).state;
  await expect.poll(stateOf, { timeout: 60_000 }).toBe("complete");
  const { sql } = world.world;
  await sql.unsafe("create table public.past_suppressed as select * from mnemosync.suppressed");
  const putBack = await rememberPrimary(world);
  await world.sync.revive("m1");
  await world.put("m1", { content: "lost" });
  await world.caughtUp();
  const epoch = await epochOf(world);
  await noteChanges(world);
  await behindPass(world, async () => {
    await putBack(`
      insert into mnemosync.suppressed select * from public.past_suppressed;
      delete from mnemosync.erasure_confirmations where store = 'replica'`);
  });
  await expect.poll(() => epochOf(world), { timeout: 30_000 }).not.toBe(epoch);
  await expect.poll(stateOf, { timeout: 30_000 }).toBe("complete");
  await world.caughtUp();
  expect((await changesOf(world, epoch)).before).toEqual([]);
  expect((await world.held("m1")).row).toMatchObject({ endedBy: "erased" });
  expect((await world.held("m1")).bodies.filter(({ content }) => content !== null)).toEqual([]);
});

test("a memory that was refused is shown again once it arrived, though the primary lost its letter", async (t) => {
  const world = await openReplicaWorld(t, { replica: { retriesMax: 0 } });
  await world.put("m0", { content: "kept" });
  await world.caughtUp();
  await world.paused();
  await world.put("m1", { content: "refused, and kept" });
  const putBack = await rememberPrimary(world);
  const { replica } = world;
  await replica.unsafe(
    "alter table mnemosync.memory_bodies add constraint refuses check (memory_id <> 'm1') not valid",
  );
  await world.put("m2", { content: "lost" });
  await world.sync.replica.resume();
  const dead = async () => (await world.sync.replica.status()).deadLetters?.dead;
  await expect.poll(dead, { timeout: 30_000 }).toBe(1);
  await world.caughtUp();
  const epoch = await epochOf(world);
  await replica.unsafe("alter table mnemosync.memory_bodies drop constraint refuses");
  await putBack("delete from mnemosync.replica_dead_letters");
  await world.sync.replica.resume(); // As it was then, it is paused.
  await agrees(world, epoch);
  const holes = () => replica`select memory_id from mnemosync.replica_dead_letters`;
  await expect.poll(async () => (await holes()).length, { timeout: 30_000 }).toBe(0);
});
