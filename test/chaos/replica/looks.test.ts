import { expect, test } from "vitest";
import { rememberLedger } from "../../support/ledger-past.ts";
import { openReplicaWorld, type ReplicaWorld } from "../../support/replica-world.ts";
import { postgresUrl } from "../../support/services.ts";
import { TcpProxy } from "../../support/tcp-proxy.ts";
import { installAudit, readTakenBack } from "./audit.ts";
import { takenBackFindings } from "./comparison.ts";
import { LookConnection } from "./look-connection.ts";
import { passedFindings, readLacking, readPassed, readPlace } from "./passed.ts";
import { readWithheld } from "./watch.ts";

/** Goal: looks into a replica that notice, and that tell nothing of one as the program leaves it. Each case injures it by hand. */

type Finishing = Parameters<typeof openReplicaWorld>[0];

/** A replica that has caught up and rests, with an audit. `m1` is at 3, `m2` was deleted, `m3` is redacted at 2, `m4` never left, `m5` at 2 neither. */
async function openInjured(t: Finishing): Promise<ReplicaWorld> {
  const world = await openReplicaWorld(t);
  for (const content of ["one", "two", "three"]) await world.put("m1", { content });
  await world.put("m2", { content: "one" });
  await world.put("m3", { content: "one" });
  await world.put("m4", { content: "one", privacy: "local_only" });
  await world.put("m5", { content: "one" });
  await world.caughtUp();
  await world.sync.delete("m2");
  await world.put("m3", { content: "two", privacy: "redacted" });
  await world.put("m5", { content: "two", privacy: "local_only" });
  await world.caughtUp();
  await world.paused();
  await installAudit(world.replica);
  return world;
}

async function setVersion({ replica }: ReplicaWorld, version: number): Promise<void> {
  await replica`update mnemosync.memory_versions set version = ${version} where memory_id = 'm1'`;
}

async function keepHole({ replica }: ReplicaWorld): Promise<void> {
  await replica`
    insert into mnemosync.replica_dead_letters
      (id, store, operation, namespace, memory_id, data, last_error, next_attempt_at)
    values ('1', 'replica', 'put', 'default', 'm1', '{}', '', clock_timestamp())`;
}

async function noted({ replica }: ReplicaWorld): Promise<string[]> {
  return takenBackFindings(await readTakenBack(replica));
}

test("a version that goes back is noted, though it is where it belongs again, and so is what goes", async (t) => {
  const world = await openInjured(t);
  await setVersion(world, 2);
  await setVersion(world, 3);
  await world.replica`delete from mnemosync.memory_bodies where memory_id = 'm1' and version = 1`;
  await world.replica`delete from mnemosync.memory_versions where memory_id = 'm2'`;
  const findings = ["replica: m1 went back from 3 to 2 in an epoch", "replica: version 1 of m1 is gone"];
  expect(await noted(world)).toEqual([...findings, "replica: the row of m2 is gone, it was at 2"]);
});

test("a version that goes back while everything is read again is noted, and what a comparison takes back is not", async (t) => {
  const world = await openInjured(t);
  await world.replica`update mnemosync.replica_cursor set epoch = null, compares = 'epoch'`;
  await setVersion(world, 2);
  await setVersion(world, 3);
  // As a comparison has a row fit the primary, or go with a memory that the primary does not know.
  await world.replica.begin(async (sql) => {
    await sql`delete from mnemosync.memory_bodies where memory_id = 'm1' and version = 3`;
    await sql`update mnemosync.memory_versions set version = 2 where memory_id = 'm1'`;
    await sql`delete from mnemosync.memory_versions where memory_id = 'm2'`;
  });
  expect(await noted(world)).toEqual(["replica: m1 went back from 3 to 2 in an epoch"]);
});

test("a memory that was refused may go back: its letter mends it", async (t) => {
  const world = await openInjured(t);
  await keepHole(world);
  await setVersion(world, 2);
  expect(await noted(world)).toEqual([]);
});

test("rows that follow a primary which was put back are not noted, and later ones are", async (t) => {
  const world = await openReplicaWorld(t);
  for (const content of ["one", "two"]) await world.put("m1", { content });
  await world.caughtUp();
  await installAudit(world.replica);
  const putBack = await rememberLedger(world.world.sql);
  await world.put("m1", { content: "three, lost" });
  await world.put("m2", { content: "one, lost" });
  await world.caughtUp();
  await putBack();
  await expect.poll(async () => (await world.sync.replica.status()).diverged, { timeout: 30_000 }).toBe(2);
  await world.caughtUp();
  expect((await world.held("m1")).row?.version).toBe(2);
  await world.sync.replica.backfill();
  await world.caughtUp();
  expect(await noted(world)).toEqual([]);
  await setVersion(world, 1);
  expect(await noted(world)).toEqual(["replica: m1 went back from 2 to 1 in an epoch"]);
});

/** What was passed and is not there; null: nothing can be said. */
async function lookedFor({ world, replica }: ReplicaWorld): Promise<string[] | null> {
  const place = (await readPlace(replica))!;
  const passed = await readPassed(world.sql, place, null, []);
  if (passed === null) return null;
  return passedFindings((await readLacking(replica, place, passed)) ?? []);
}

test("what the replica's place has passed is looked for", async (t) => {
  const world = await openInjured(t);
  const { replica } = world;
  expect(await lookedFor(world)).toEqual([]);
  await replica`delete from mnemosync.memory_bodies where memory_id = 'm1' and version = 2`;
  await replica`update mnemosync.memory_versions set version = 1 where memory_id = 'm2'`;
  await replica`delete from mnemosync.memory_versions where memory_id = 'm3'`;
  expect((await lookedFor(world))?.sort()).toEqual([
    expect.stringMatching(/behind m1@2, and this version is missing/),
    expect.stringMatching(/behind m2@2, and the row is at 1/),
    expect.stringMatching(/behind m3@1, and the row is at null/),
    expect.stringMatching(/behind m3@2, and the row is at null/),
  ]);
  await replica`update mnemosync.memory_versions set version = 2 where memory_id = 'm2'`;
  await replica`delete from mnemosync.memory_bodies where memory_id = 'm3'`;
  await replica`update mnemosync.replica_cursor set xid = '1'::xid8`;
  expect(await lookedFor(world)).toEqual([]);
});

test("what was refused is not lost, and of a primary that was put back nothing is told", async (t) => {
  const world = await openInjured(t);
  await keepHole(world);
  await world.replica`delete from mnemosync.memory_bodies where memory_id = 'm1' and version = 2`;
  expect(await lookedFor(world)).toEqual([]);
  await world.replica`update mnemosync.replica_cursor set seen_tx = 'lost'`;
  expect(await lookedFor(world)).toBeNull();
});

test("content below a version that withholds it is noticed", async (t) => {
  const world = await openInjured(t);
  const { replica } = world;
  expect(await readWithheld(replica)).toEqual([]);
  for (const memoryId of ["m3", "m5"]) {
    await replica`
      update mnemosync.memory_bodies set checksum = 'x', ended_by = null, document = '{"content":"one","privacy":"full"}'
      where memory_id = ${memoryId} and version = 1`;
  }
  expect((await readWithheld(replica)).map((row) => ({ ...row }))).toEqual([
    { memory_id: "m3", version: "1", by: "2" },
    { memory_id: "m5", version: "1", by: "2" },
  ]);
  await replica`update mnemosync.replica_cursor set epoch = null`;
  expect(await readWithheld(replica)).toEqual([]);
});

test("what a look asks over a connection that says nothing any more is asked again over another one", async (t) => {
  const proxy = await TcpProxy.start(Number(new URL(postgresUrl()).port));
  t.onTestFinished(() => proxy.close());
  const connection = new LookConnection(proxy.through(postgresUrl()), 3_000);
  t.onTestFinished(() => connection.close());
  const ask = () => connection.ask(async (sql) => (await sql<{ two: number }[]>`select 1 + 1 as two`)[0]?.two);
  expect(await ask()).toBe(2);
  proxy.forgetOpen();
  expect(await ask()).toBe(2);
  expect(connection.repeated).toBe(1);
});
