import { expect, test, vi } from "vitest";
import { newUlid } from "../../src/runtime/ulid.ts";
import { rememberLedger } from "../support/ledger-past.ts";
import { openReplicaWorld, type ReplicaWorld } from "../support/replica-world.ts";

vi.setConfig({ testTimeout: 120_000 });

/** Goal: a primary that is put back while its replica is compared with it is noticed, and what it lost is kept as diverged. */

/** As `rememberLedger`, with the marks that were made since. */
async function rememberPrimary({ world: { sql } }: ReplicaWorld): Promise<() => Promise<void>> {
  const putBack = await rememberLedger(sql);
  const [row] = await sql<{ newest: string }[]>`select coalesce(max(number), 0)::text as newest from mnemosync.marks`;
  return async () => {
    await sql`delete from mnemosync.marks where number > ${row?.newest ?? "0"}::text::bigint`;
    await putBack();
  };
}

/** Keeps the replica's place. @returns sets it back there, as a process leaves it that ended between the data and the place. */
async function rememberPlace({ replica }: ReplicaWorld): Promise<() => Promise<void>> {
  await replica.unsafe("create table public.place as select * from mnemosync.replica_cursor");
  return async () => {
    await replica`
      update mnemosync.replica_cursor c set xid = p.xid, seq = p.seq, seen_tx = p.seen_tx, mark = p.mark from public.place p`;
  };
}

const epochsOf = async ({ world: { sql } }: ReplicaWorld) =>
  (await sql<{ reason: string }[]>`select reason from mnemosync.epochs order by began_at`).map(({ reason }) => reason);

const divergedOf = async ({ replica }: ReplicaWorld) => {
  const rows = await replica<{ line: string }[]>`
    select memory_id || '@' || version as line from mnemosync.diverged order by memory_id, version`;
  return rows.map(({ line }) => line);
};

/** Waits until the replica agrees with the primary and has put these versions aside. */
async function agrees(world: ReplicaWorld, diverged: readonly string[]): Promise<void> {
  await expect.poll(() => divergedOf(world), { timeout: 30_000 }).toEqual(diverged);
  await world.caughtUp();
  expect(await world.dump("replica")).toEqual(await world.dump("primary"));
}

test("a primary that is put back before its replica is filled again is noticed by the process that begins", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "kept" });
  await world.caughtUp();
  const putBack = await rememberPrimary(world);
  await world.put("m1", { content: "lost" });
  for (const content of ["lost 1", "lost 2"]) await world.put("m2", { content });
  await world.caughtUp();
  await world.paused();
  expect(await world.sync.replica.backfill()).toMatchObject({ phase: "comparing" });
  await world.world.disconnect();
  await putBack();
  (await world.world.connect()).start();
  await agrees(world, ["m1@2", "m2@1", "m2@2"]);
  expect(await epochsOf(world)).toEqual(["created", "mark_lost"]);
});

for (const compares of ["epoch", "pruned"]) {
  test(`versions beyond the place tell of a primary that was put back behind rows that were compared: ${compares}`, async (t) => {
    const world = await openReplicaWorld(t);
    await world.put("m1", { content: "kept" });
    await world.put("m2", { content: "kept" });
    await world.caughtUp();
    const putBack = await rememberPrimary(world);
    const placeBack = await rememberPlace(world);
    for (const content of ["lost 2", "lost 3"]) await world.put("m1", { content });
    await world.put("m3", { content: "lost" });
    await world.caughtUp();
    await world.world.disconnect();
    // As a process leaves it that ended between the data and the place, while another one had all rows compared before.
    await placeBack();
    await world.replica`
      update mnemosync.replica_cursor
      set epoch = null, compares = ${compares}, compared_bucket = 65535, compared_key = array['zzz', 'zzz']`;
    await putBack();
    (await world.world.connect()).start();
    await agrees(world, ["m1@2", "m1@3", "m3@1"]);
    expect(await epochsOf(world)).toEqual(["created", "transaction_lost"]);
    expect(await world.sync.replica.verify({ deep: true })).toMatchObject({ clean: true });
  });
}

test("rows that an earlier restore lost are no reason for another epoch while they are compared, and those of this one are", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "kept" });
  await world.caughtUp();
  const first = await rememberPrimary(world);
  await world.put("m1", { content: "lost" });
  await world.put("m2", { content: "lost" });
  await world.caughtUp();
  await world.world.disconnect();
  await first();
  // The comparison comes to no end: each attempt is a process that begins anew.
  await world.replica.unsafe(`
    create sequence public.attempts;
    create function public.away() returns trigger language plpgsql as $$
      begin perform nextval('public.attempts'); raise exception 'away' using errcode = '57P03'; end $$;
    create trigger away before insert on mnemosync.diverged for each row execute function public.away()`);
  const attempts = async () => {
    const [row] = await world.replica<{ count: number }[]>`
      select case when is_called then last_value else 0 end::int as count from public.attempts`;
    return row?.count ?? 0;
  };
  (await world.world.connect()).start();
  await expect.poll(attempts, { timeout: 30_000 }).toBeGreaterThan(3);
  expect(await epochsOf(world)).toEqual(["created", "transaction_lost"]);
  const second = await rememberPrimary(world);
  const placeBack = await rememberPlace(world);
  await world.put("m3", { content: "lost too" });
  await expect.poll(async () => (await world.held("m3")).row?.version, { timeout: 30_000 }).toBe(1);
  await world.world.disconnect();
  await placeBack();
  await second();
  await world.replica.unsafe("drop trigger away on mnemosync.diverged");
  (await world.world.connect()).start();
  await agrees(world, ["m1@2", "m2@1", "m3@1"]);
  expect(await epochsOf(world)).toEqual(["created", "transaction_lost", "transaction_lost"]);
});

test("a page tells of a primary that was put back since the pages before it, and was written to since", async (t) => {
  const world = await openReplicaWorld(t, { replica: { workers: 1, batchSize: 1, windowMax: 1 } });
  for (const id of ["m1", "m2", "m3"]) await world.put(id, { content: "kept" });
  await world.caughtUp();
  const putBack = await rememberPrimary(world);
  await world.put("m4", { content: "lost" });
  await world.caughtUp();
  await world.paused();
  await world.sync.replica.backfill();
  const holder = await world.replica.reserve();
  await holder`begin`;
  await holder`lock table mnemosync.memory_bodies in share mode`;
  await world.sync.replica.resume();
  const isHeld = async () => {
    const waiting = await world.replica`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    return waiting.length > 0;
  };
  await expect.poll(isHeld, { timeout: 20_000, interval: 20 }).toBe(true);
  await putBack();
  await world.put("m5", { content: "anew" });
  await holder`rollback`;
  holder.release();
  await agrees(world, ["m4@1"]);
  expect(await epochsOf(world)).toHaveLength(2);
});

test("a deep verification names versions of the history that the primary lost, and a repair puts them aside", async (t) => {
  const world = await openReplicaWorld(t);
  for (const content of ["first", "second", "third"]) await world.put("m1", { content });
  for (const content of ["pruned", "kept"]) await world.put("m2", { content });
  await world.caughtUp();
  await world.world.sql`delete from mnemosync.memory_bodies where memory_id = 'm2' and version = 1`;
  await world.replica`
    update mnemosync.memory_bodies set tx_id = ${newUlid()} where memory_id = 'm1' and version = 2`;
  expect(await world.sync.replica.verify()).toMatchObject({ clean: true });
  const finding = { memoryId: "m1", kind: "unknown", primaryVersion: null, replicaVersion: 2 };
  const verify = (repair: boolean) => world.sync.replica.verify({ deep: true, repair });
  expect(await verify(false)).toMatchObject({ clean: false, findings: [{ ...finding, repaired: null }] });
  expect(await verify(true)).toMatchObject({ findings: [{ ...finding, repaired: true }] });
  expect(await verify(false)).toMatchObject({ clean: true, findings: [] });
  expect(await divergedOf(world)).toEqual(["m1@2"]);
  const contents = async (id: string) => (await world.held(id)).bodies.map(({ content }) => content);
  expect(await contents("m1")).toEqual(["first", "second", "third"]);
  expect(await contents("m2")).toEqual(["pruned", "kept"]);
});

for (const privacy of ["redacted", "local_only"] as const) {
  test(`a primary that is put back to before a version that withholds what was told is noticed, though that one never arrived: ${privacy}`, async (t) => {
    const world = await openReplicaWorld(t, { replica: { workers: 1, batchSize: 1, windowMax: 1 } });
    await world.put("m0", { content: "kept" });
    await world.caughtUp();
    await world.paused();
    for (const content of ["kept 1", "kept 2"]) await world.put("m1", { content });
    const putBack = await rememberPrimary(world);
    await world.put("m1", { content: "lost", privacy });
    await world.replica.unsafe(`
      create function public.away() returns trigger language plpgsql as $$
        begin raise exception 'away' using errcode = '57P03'; end $$;
      create trigger away before insert on mnemosync.memory_bodies for each row when (new.version = 3) execute function public.away()`);
    await world.sync.replica.resume();
    const [second] = await world.world.sql<{ xid: string }[]>`
      select xid::text from mnemosync.memory_bodies where memory_id = 'm1' and version = 2`;
    const passed = () =>
      world.replica`select from mnemosync.replica_cursor where xid >= ${second?.xid ?? ""}::text::xid8`;
    await expect.poll(async () => (await passed()).length, { timeout: 30_000 }).toBe(1);
    await world.world.disconnect();
    await putBack();
    await world.replica.unsafe("drop trigger away on mnemosync.memory_bodies");
    (await world.world.connect()).start();
    await world.sync.replica.resume();
    const primary = await world.dump("primary");
    await expect.poll(() => world.dump("replica"), { timeout: 30_000 }).toEqual(primary);
    expect(await epochsOf(world)).toEqual(["created", "mark_lost"]);
    expect(await divergedOf(world)).toEqual([]);
  });
}

test("orders to fill the replica again come through while changes arrive, also many at once", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m0", { content: "first" });
  await world.caughtUp();
  let isDone = false;
  const writing = (async () => {
    for (let number = 0; !isDone; number++) await world.put(`m${number % 20}`, { content: `number ${number}` });
  })();
  for (let round = 0; round < 5; round++) {
    const orders = await Promise.allSettled(Array.from({ length: 12 }, () => world.sync.replica.backfill()));
    expect(orders.filter(({ status }) => status === "rejected")).toEqual([]);
  }
  isDone = true;
  await writing;
  await agrees(world, []);
  expect(await epochsOf(world)).toEqual(["created"]);
});
