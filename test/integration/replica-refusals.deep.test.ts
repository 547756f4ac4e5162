import postgres from "postgres";
import { expect, test, vi } from "vitest";
import { startEmbeddedPostgres } from "../../src/dev/postgres-server.ts";
import { bucketOf } from "../../src/domain/keys.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { claimWriting, completeEpoch } from "../../src/replica/cursor-statements.ts";
import { FencedError } from "../../src/replica/fenced-error.ts";
import { keepHoles } from "../../src/replica/hole-statements.ts";
import {
  claimDueLetters,
  countLetters,
  keepLetters,
  type Letter,
  type NewLetter,
  settleLetter,
} from "../../src/replica/letter-statements.ts";
import { LetterRetries } from "../../src/replica/letters.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { newUlid } from "../../src/runtime/ulid.ts";
import { rememberLedger } from "../support/ledger-past.ts";
import { openReplicaWorld, type ReplicaWorld, rememberReplica } from "../support/replica-world.ts";

vi.setConfig({ testTimeout: 300_000 });

/** Goal: what a replica refused is neither forgotten nor in the way of anything else, whichever side is put back meanwhile. */

async function refuse(
  { replica }: ReplicaWorld,
  condition: string,
  table: "memory_bodies" | "diverged" = "memory_bodies",
): Promise<() => Promise<void>> {
  await replica.unsafe(`alter table mnemosync.${table} add constraint refuses check (not (${condition})) not valid`);
  return async () => void (await replica.unsafe(`alter table mnemosync.${table} drop constraint refuses`));
}

async function letters(world: ReplicaWorld) {
  return (await world.sync.replica.status()).deadLetters;
}

const NONE = { waiting: 0, dead: 0 };
const DEAD = { waiting: 0, dead: 1 };

async function untilLetters(world: ReplicaWorld, counts: typeof NONE): Promise<void> {
  await expect.poll(() => letters(world), { timeout: 60_000 }).toEqual(counts);
}

async function untilSame(world: ReplicaWorld): Promise<void> {
  await expect.poll(async () => await world.dump("replica"), { timeout: 60_000 }).toEqual(await world.dump("primary"));
}

test("a replica that is put back to before a letter was delivered asks for it again", async (t) => {
  const world = await openReplicaWorld(t, { replica: { retriesMax: 0 } });
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  const accept = await refuse(world, "memory_id = 'm1'");
  await world.sync.delete("m1");
  await untilLetters(world, DEAD);
  await world.caughtUp();
  const putBack = await rememberReplica(world);
  await accept();
  await world.sync.replica.retry();
  await untilLetters(world, NONE);
  await world.world.disconnect();
  // The copy is past the deletion, and does not have it; the primary's letter is gone.
  await putBack();
  (await world.world.connect()).start();
  await untilSame(world);
  // Two databases: the primary forgets the letter a moment after the replica has what it is about.
  await untilLetters(world, NONE);
  expect(await world.replica`select from mnemosync.replica_dead_letters`).toHaveLength(0);
});

test("a dead letter that was dropped does not come back", async (t) => {
  const world = await openReplicaWorld(t, { replica: { retriesMax: 0 } });
  const accept = await refuse(world, "memory_id = 'm1'");
  await world.put("m1", { content: "first" });
  await untilLetters(world, DEAD);
  // The replica keeps a refusal in mind a moment after the primary has its letter, and before its place passes the change.
  await world.caughtUp();
  await accept();
  expect(await world.sync.replica.drop()).toEqual({ dropped: 1, kept: 0 });
  (await world.world.restart()).start();
  await world.put("m2", { content: "other" });
  await world.caughtUp();
  expect((await world.held("m1")).row).toBeNull();
  expect(await letters(world)).toEqual(NONE);
});

test("a later change that is taken has a dead letter tried again, so that the history has no hole", async (t) => {
  const world = await openReplicaWorld(t, { replica: { retriesMax: 0 } });
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  const accept = await refuse(world, "memory_id = 'm1' and version = 2");
  await world.put("m1", { content: "refused" });
  await untilLetters(world, DEAD);
  await accept();
  await world.put("m1", { content: "third" });
  await untilLetters(world, NONE);
  await untilSame(world);
});

test("a memory that the replica refuses during a comparison does not hold up the others", async (t) => {
  const world = await openReplicaWorld(t, { replica: { retriesMax: 0 } });
  for (const id of ["emptied", "ahead", "other"]) await world.put(id, { content: `${id} 1` });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  // Lost with their history: one is to get its content back, one is ahead of what the primary has, one is unknown to it.
  await world.put("emptied", { content: "emptied 1", privacy: "local_only" });
  for (const number of [2, 3]) await world.put("ahead", { content: `lost ${number}` });
  await world.put("unknown", { content: "lost" });
  await world.put("other", { content: "lost" });
  await world.caughtUp();
  const accept = await refuse(world, "memory_id = 'emptied' or document ->> 'content' = 'refused'");
  await putBack();
  await world.put("ahead", { content: "refused" });
  await world.put("last", { content: "last" });
  await world.caughtUp();
  await untilLetters(world, { waiting: 0, dead: 2 });
  expect((await world.held("other")).row).toMatchObject({ version: 1, endedBy: null });
  expect((await world.held("unknown")).row).toBeNull();
  await accept();
  await world.sync.replica.retry();
  await untilLetters(world, NONE);
  await untilSame(world);
});

test("lost versions that the replica refuses to move are kept in mind by a letter, until it takes them", async (t) => {
  const world = await openReplicaWorld(t, { replica: { retriesMax: 0 } });
  await world.put("kept", { content: "kept" });
  await world.caughtUp();
  const putBack = await rememberLedger(world.world.sql);
  const ids = ["refused", "other"];
  for (const id of ids) for (const number of [1, 2]) await world.put(id, { content: `lost ${number}` });
  await world.caughtUp();
  await world.world.disconnect();
  const accept = await refuse(world, "memory_id = 'refused'", "diverged");
  await putBack();
  const sync = await world.world.connect();
  // Made anew above the floors of their buckets: all that the primary lost lies below the current versions, which fit.
  for (const memoryId of ids) {
    await world.world.sql`
      insert into mnemosync.version_floors (bucket, floor) values (${bucketOf({ namespace: "default", memoryId })}, 7)`;
    await world.put(memoryId, { content: "anew" });
  }
  sync.start();
  await untilLetters(world, DEAD);
  await world.caughtUp();
  const versionsOf = async (id: string) => (await world.held(id)).bodies.map(({ version }) => version);
  const diverged = async () =>
    (await world.replica`select memory_id, version::int as version from mnemosync.diverged order by 1, 2`).map(
      ({ memory_id, version }) => `${memory_id}@${version}`,
    );
  expect(await versionsOf("other")).toEqual([8]);
  expect(await diverged()).toEqual(["other@1", "other@2"]);
  // A retry says what became of it: nothing yet.
  await world.sync.replica.retry();
  await untilLetters(world, DEAD);
  expect(await versionsOf("refused")).toEqual([1, 2, 8]);
  await accept();
  await world.sync.replica.retry();
  await untilLetters(world, NONE);
  await untilSame(world);
  expect(await diverged()).toEqual(["other@1", "other@2", "refused@1", "refused@2"]);
});

test("a letter outlives a process that loses the writing before it has delivered it", async (t) => {
  const world = await openReplicaWorld(t);
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  await world.world.disconnect();
  const primary = new PostgresPool(world.world.databaseUrl, { max: 1 });
  const replica = new PostgresPool(world.replicaUrl, { max: 1 });
  for (const pool of [primary, replica]) t.onTestFinished(() => pool.close());
  const { sql } = world.world;
  const settings = { name: "replica", retriesMax: 1, retryIntervalMs: 1_000 };
  const proof = { assert: async () => undefined };
  const retry = { intervalMs: 0, retriesMax: 1 };
  const [cursor] = await world.replica`select feed_epoch as epoch from mnemosync.replica_cursor`;
  const former = { writer: "former", epoch: cursor?.epoch };
  const successor = { writer: "successor", epoch: cursor?.epoch };
  // Of a memory that neither side has: nothing is sent, so nothing but the hole asks who writes.
  const refused = (version: number): NewLetter => ({
    ...{ id: newUlid(), namespace: "default", memoryId: "gone", operation: "put", lastError: "refused" },
    data: JSON.stringify({ version }),
  });
  const holes = () => world.replica`select memory_id from mnemosync.replica_dead_letters`;
  await claimWriting(world.replica, former.writer);
  const kept = await keepLetters(sql, settings.name, [refused(1)], retry);
  expect(await keepHoles(world.replica, former, settings.name, kept)).toBe(true);
  await claimWriting(world.replica, successor.writer);
  const retries = new LetterRetries({ primary, replica, proof, settings, callTimeoutMs: 10_000, log: silentLog });
  await expect(retries.runOnce(former, AbortSignal.timeout(90_000))).rejects.toThrow(FencedError);
  expect(await holes()).toHaveLength(1);
  expect(await countLetters(sql, settings.name)).toEqual({ waiting: 1, dead: 0 });

  // The successor is refused a later version, while the former one is about to settle what it has delivered.
  await keepLetters(sql, settings.name, [refused(2)], retry);
  const [claimed] = await claimDueLetters(sql, settings.name, 0, 1);
  await keepLetters(sql, settings.name, [refused(3)], retry);
  await settleLetter(sql, claimed as Letter);
  expect(await countLetters(sql, settings.name)).toEqual({ waiting: 1, dead: 0 });
  await retries.runOnce(successor, AbortSignal.timeout(90_000));
  expect(await holes()).toHaveLength(0);
  expect(await countLetters(sql, settings.name)).toEqual(NONE);
});

test("erasures that the replica refuses do not keep others behind them from being confirmed", async (t) => {
  const world = await openReplicaWorld(t);
  const refused = Array.from({ length: 21 }, (_, number) => `poison${number}`);
  for (const id of [...refused, "m1"]) await world.put(id, { content: id });
  await world.caughtUp();
  const accept = await refuse(world, "memory_id like 'poison%'");
  const ids: string[] = [];
  for (const id of refused) ids.push((await world.sync.erase(id)).id);
  const { id: last } = await world.sync.erase("m1");
  const stateOf = async (id: string) => (await world.sync.erasures.get(id)).state;
  await expect.poll(() => stateOf(last), { timeout: 60_000 }).toBe("complete");
  expect(await stateOf(ids[0] as string)).toBe("awaiting_stores");
  await accept();
  for (const id of ids) await expect.poll(() => stateOf(id), { timeout: 60_000 }).toBe("complete");
});

test("a server that was started since the claim refuses what its writer goes on with", async (t) => {
  // A copy that was put in the replica's place, or a standby, may name the same writer.
  const server = await startEmbeddedPostgres({ settings: { fsync: "off" } });
  t.onTestFinished(() => server.close());
  const world = await openReplicaWorld(t, { replica: { postgresUrl: server.url } });
  await world.put("m1", { content: "first" });
  await world.caughtUp();
  await world.world.disconnect();
  const begun = async (work: (sql: postgres.Sql) => Promise<unknown>): Promise<unknown> => {
    const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
    try {
      return await work(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  const fence = { writer: "one", epoch: "" };
  await begun(async (sql) => {
    fence.epoch = (await sql`select feed_epoch from mnemosync.replica_cursor`)[0]?.feed_epoch;
    await claimWriting(sql, fence.writer);
  });
  expect(await begun((sql) => completeEpoch(sql, fence))).toBe(true);
  await server.restart();
  expect(await begun((sql) => completeEpoch(sql, fence))).toBe(false);
});
