import { expect, type TestContext, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { bucketOf } from "../../src/domain/keys.ts";
import { postgresHub } from "../../src/edge/transport/postgres-hub.ts";
import type { PushChange } from "../../src/hub/protocol/push.ts";
import { NEVER_ABORTED, TestDevice } from "../support/hub-client.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: changes that are written before anything was looked for keep every promise. Method: pushes of new memories straight to a ledger
 * that holds, or gets meanwhile, what is in their way. Each device here stands for a process of its own, which knows no rows.
 */

const SOON_MS = 20_000;

async function opened(t: TestContext): Promise<{ world: World; device: (name: string) => Promise<TestDevice> }> {
  const world = await openWorld(t, { faiss: false });
  const device = async (name: string): Promise<TestDevice> => {
    const hub = postgresHub({ postgresUrl: world.databaseUrl, device: name, timeoutMs: 60_000 });
    t.onTestFinished(() => hub.close());
    const made = new TestDevice(hub, name);
    made.epoch = (await hub.identify(NEVER_ABORTED)).epoch;
    return made;
  };
  return { world, device };
}

const kept = async ({ sql }: World) => ({
  versions: await sql`select memory_id, version::int from mnemosync.memory_versions order by memory_id`,
  bodies: await sql`select memory_id, version::int from mnemosync.memory_bodies order by memory_id`,
  claims: await sql`select memory_id, version::int, key from mnemosync.hub_claims order by memory_id`,
  writers: await sql`select memory_id, version::int, key, device from mnemosync.hub_memories order by memory_id`,
});

test("all that a change writes is there, once, beside a transaction that names it", async (t) => {
  const { world, device } = await opened(t);
  const a = await device("a");
  const changes = ["m2", "m1", "m3"].map((id) =>
    a.put(id, 0, { content: `of ${id}` }, { modifiedAt: 1_700_000_000_000 }),
  );
  expect(await a.push(changes)).toEqual(changes.map(() => ({ status: "applied", version: 1 })));
  const rows = ["m1", "m2", "m3"].map((id) => ({ memory_id: id, version: 1 }));
  const keyOf = (id: string) => changes.find(({ memoryId }) => memoryId === id)?.key;
  expect(await kept(world)).toEqual({
    versions: rows,
    bodies: rows,
    claims: rows.map((row) => ({ ...row, key: keyOf(row.memory_id) })),
    writers: rows.map((row) => ({ ...row, key: keyOf(row.memory_id), device: "a" })),
  });
  const times = await world.sql`
    select distinct extract(epoch from v.created_at)::float8 * 1000 as created, extract(epoch from b.modified_at)::float8 * 1000 as modified
    from mnemosync.memory_versions v join mnemosync.memory_bodies b using (namespace, memory_id, version)`;
  expect(times).toHaveLength(1);
  expect(times[0]?.created).toBe(times[0]?.modified);
  expect(Math.abs(times[0]?.created - 1_700_000_000_000)).toBeLessThan(60_000);
  expect(await world.sql`select memory_ids from mnemosync.sync_transactions`).toEqual([
    { memory_ids: ["m1", "m2", "m3"] },
  ]);
});

test("a repeat by a process that knows nothing of them is a duplicate, beside changes that are new", async (t) => {
  const { world, device } = await opened(t);
  const [a, same] = [await device("a"), await device("a")];
  const first = [a.put("m1", 0), a.put("m2", 0)];
  await a.push(first);
  const more = a.put("m3", 0);
  expect(await same.push([...first, more])).toEqual([
    { status: "duplicate", version: 1 },
    { status: "duplicate", version: 1 },
    { status: "applied", version: 1 },
  ]);
  expect((await kept(world)).bodies).toHaveLength(3);
});

test("the same changes, pushed by two processes at once, are applied once each", async (t) => {
  const { world, device } = await opened(t);
  const [a, same] = [await device("a"), await device("a")];
  for (let round = 0; round < 10; round++) {
    const changes = Array.from({ length: 20 }, (_, number) => a.put(`r${round}-${number}`, 0));
    const [one, other] = await Promise.all([a.push(changes), same.push(changes.toReversed())]);
    for (const [place, answer] of one.entries()) {
      const pair = [answer, other.at(-1 - place)].map((found) => found?.status).sort();
      expect(pair).toEqual(["applied", "duplicate"]);
    }
  }
  const { bodies, claims } = await kept(world);
  expect([bodies.length, claims.length]).toEqual([200, 200]);
});

test("a memory that another device created is a conflict, and the others of the push are applied", async (t) => {
  const { world, device } = await opened(t);
  const [a, b] = [await device("a"), await device("b")];
  await a.one(a.put("m2", 0, { content: "of a" }));
  expect(await b.push(["m1", "m2", "m3"].map((id) => b.put(id, 0)))).toMatchObject([
    { status: "applied", version: 1 },
    { status: "conflict", current: { version: 1, device: "a" } },
    { status: "applied", version: 1 },
  ]);
  expect((await kept(world)).claims).toHaveLength(3);
});

test("a key that was claimed for another memory is refused, and nothing is written under it", async (t) => {
  const { world, device } = await opened(t);
  const [a, same] = [await device("a"), await device("a")];
  const first = a.put("m1", 0);
  await a.one(first);
  expect(await same.push([{ ...a.put("m2", 0), key: first.key }, a.put("m3", 0)])).toMatchObject([
    { status: "rejected", code: "IDEMPOTENCY_KEY_REUSED" },
    { status: "applied" },
  ]);
  expect((await kept(world)).versions.map(({ memory_id: id }) => id)).toEqual(["m1", "m3"]);
});

test("no version is given out twice: a memory starts above the floor of its bucket", async (t) => {
  const { world, device } = await opened(t);
  const a = await device("a");
  const bucket = bucketOf({ namespace: "default", memoryId: "m1" });
  await world.sql`insert into mnemosync.version_floors (bucket, floor) values (${bucket}, 7)`;
  expect(await a.push([a.put("m1", 0), a.put("m2", 0)])).toEqual([
    { status: "applied", version: 8 },
    { status: "applied", version: 1 },
  ]);
});

test("a memory whose last writer is still noted is written all the same", async (t) => {
  const { world, device } = await opened(t);
  const a = await device("a");
  await world.sql`
    insert into mnemosync.hub_memories (namespace, memory_id, version, device, key) values ('default', 'm', 9, 'gone', 'k')`;
  const put = a.put("m", 0);
  expect(await a.one(put)).toEqual({ status: "applied", version: 1 });
  expect((await kept(world)).writers).toEqual([{ memory_id: "m", version: 1, key: put.key, device: "a" }]);
});

test("a key below the device's floor is refused, whatever became of its memory", async (t) => {
  const { world, device } = await opened(t);
  const a = await device("a");
  const [late, later] = [a.put("m1", 0), a.put("m2", 0)];
  await world.sql`update mnemosync.hub_devices set settled_through = ${late.key}`;
  expect(await a.push([late, later])).toMatchObject([
    { status: "rejected", code: "SYNC_SETTLED" },
    { status: "applied", version: 1 },
  ]);
  expect((await kept(world)).versions).toEqual([{ memory_id: "m2", version: 1 }]);
});

test("a claim that is settled while its late copy is on its way shows in the floor: nothing is applied again", async (t) => {
  const { world, device } = await opened(t);
  const a = await device("a");
  const put = a.put("m", 0);
  // Applied once; then the memory ended, and its tombstone is gone, but for the floor of another bucket.
  await world.sql`
    insert into mnemosync.hub_claims (device, key, fingerprint, namespace, memory_id, version)
    values ('a', ${put.key}, null, 'default', 'm', 1)`;
  let copying: Promise<unknown> = Promise.resolve();
  await world.sql.begin(async (sql) => {
    await sql`update mnemosync.hub_devices set settled_through = ${put.key}`;
    await sql`delete from mnemosync.hub_claims`;
    copying = a.one(put);
    await isWaiting(world, "hub_claims");
  });
  expect(await copying).toMatchObject({ status: "rejected", code: "SYNC_SETTLED" });
  const none = { versions: [], bodies: [], claims: [], writers: [] };
  expect(await kept(world)).toEqual(none);
});

test("a device that is revoked while its push is on its way writes nothing", async (t) => {
  const { world, device } = await opened(t);
  const a = await device("a");
  let pushing: Promise<unknown> = Promise.resolve();
  await world.sql.begin(async (sql) => {
    // As `revokeDevice` does it: the lock first, or a reader of the row's key does not wait for the update.
    await sql`select from mnemosync.hub_devices where device = 'a' for update`;
    await sql`update mnemosync.hub_devices set revoked_at = now() where device = 'a'`;
    pushing = a.one(a.put("m", 0));
    pushing.catch(() => undefined); // It is awaited below.
    await isWaiting(world, "hub_devices");
  });
  await expect(pushing).rejects.toMatchObject({ code: "DEVICE_REVOKED" });
  expect((await kept(world)).versions).toEqual([]);
});

test("a ledger that went back while a push was on its way answers nothing of it", async (t) => {
  const { world, device } = await opened(t);
  const a = await device("a");
  let pushing: Promise<unknown> = Promise.resolve();
  await world.sql.begin(async (sql) => {
    // In the way of the push, until the epoch is another one.
    await sql`insert into mnemosync.hub_claims (device, key, fingerprint, namespace, memory_id, version)
      values ('a', '01ARZ3NDEKTSV4RRFFQ69G5FAV', null, 'default', 'other', 1)`;
    const change: PushChange = { ...a.put("m", 0), key: "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
    pushing = a.one(change);
    pushing.catch(() => undefined); // It is awaited below.
    await isWaiting(world, "hub_claims");
    await sql`update mnemosync.sync_meta set value = 'another-epoch' where name = 'store_epoch'`;
    await sql`delete from mnemosync.hub_claims`;
  });
  await expect(pushing).rejects.toMatchObject({ code: "RESYNC_REQUIRED" });
  expect((await kept(world)).versions).toEqual([]);
});

test("changes of no memory among edits are written as they always were", async (t) => {
  const { device } = await opened(t);
  const a = await device("a");
  await a.one(a.put("m1", 0));
  expect(await a.push([a.put("m2", 0), a.put("m1", 1, { content: "edited" }), a.end("delete", "unknown", 0)])).toEqual([
    { status: "applied", version: 1 },
    { status: "applied", version: 2 },
    { status: "applied", version: 0 },
  ]);
});

/** Until a statement that names `table` waits for a lock. */
async function isWaiting({ sql }: World, table: string): Promise<void> {
  await pollUntil(`a statement on ${table} waits for a lock`, SOON_MS, async () => {
    const waiting = await sql`
      select from pg_stat_activity where wait_event_type = 'Lock' and query like ${`%${table}%`}`;
    return waiting.length > 0;
  });
}
