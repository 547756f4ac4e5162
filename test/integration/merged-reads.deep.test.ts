import { expect, test } from "vitest";
import { MemorySynchronizer, type ReadSources } from "../../src/index.ts";
import { openReplicaWorld, type ReplicaWorld } from "../support/replica-world.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

/**
 * Goal: reads over two databases show what the rule of merged reads says. Method: a real primary and a real replica that follows it;
 * what is pruned or lost goes by hand.
 */

const OK: ReadSources = { primary: "ok", replica: "ok" };
const past = "2020-01-01T00:00:00.000Z";

/** A read that says which sides it stands on. */
function told() {
  const kept: { sources: ReadSources | null } = { sources: null };
  const onSources = (sources: ReadSources): void => {
    kept.sources = sources;
  };
  return Object.assign(kept, { onSources });
}

/** A memory that has expired, and of which the primary knows its ending alone, or nothing. */
async function expire(world: ReplicaWorld, memoryId: string, forgets: boolean): Promise<void> {
  await world.put(memoryId, { content: `${memoryId} alpha` });
  await world.put(memoryId, { content: `${memoryId} beta`, expiresAt: past });
  await expect
    .poll(() => world.world.sql`select ended_by from mnemosync.memory_versions where memory_id = ${memoryId}`, {
      timeout: 60_000,
    })
    .toEqual([{ ended_by: "expired" }]);
  await world.caughtUp();
  if (forgets) await forget(world, memoryId);
}

/** What pruning does once the floor of the tombstone's bucket has stood for ten minutes. */
async function forget({ world: { sql } }: ReplicaWorld, memoryId: string): Promise<void> {
  await sql`
    insert into mnemosync.tombstones_pruned as p (xid, seq)
    select xid, seq from mnemosync.memory_bodies where memory_id = ${memoryId} order by xid desc, seq desc limit 1
    on conflict (only_row) do update set xid = excluded.xid, seq = excluded.seq`;
  await sql`
    insert into mnemosync.version_floors (bucket, floor)
    select bucket, version from mnemosync.memory_versions where memory_id = ${memoryId} on conflict do nothing`;
  await sql`delete from mnemosync.memory_bodies where memory_id = ${memoryId}`;
  await sql`delete from mnemosync.memory_versions where memory_id = ${memoryId}`;
}

test("a replica that begins after the newest change was pruned takes part, though no change brings it there", async (t) => {
  const world = await openReplicaWorld(t, { starts: false, replica: { readTimeoutMs: 20_000 } });
  await world.put("a", { content: "alive" });
  await world.put("b", { content: "the last one" });
  await world.sync.delete("b");
  await forget(world, "b");
  world.sync.start();
  await world.caughtUp();
  const got = told();
  expect(await world.sync.get("b", got)).toBeNull();
  expect(got.sources).toEqual(OK);
});

test("with the archive, what expired is read from the replica, by every read, until it is deleted", async (t) => {
  const world = await openReplicaWorld(t, {
    replica: { archive: "expired", readTimeoutMs: 20_000 },
    world: { settings: { indexes: { text: "english" }, syncIntervalMs: 100 } },
  });
  await world.put("a", { content: "alive" });
  await expire(world, "b", false);
  await expire(world, "c", true);
  const { sync } = world;
  const got = told();
  expect(await sync.get("b", got)).toMatchObject({ content: "b beta", version: 2, source: "replica" });
  expect(got.sources).toEqual(OK);
  expect((await sync.getMany(["a", "b", "c", "d"])).map((memory) => memory?.content ?? null)).toEqual([
    ...["alive", "b beta", "c beta", null],
  ]);
  const page = await sync.list({ limit: 2 });
  expect(page).toMatchObject({ memories: [{ memoryId: "a" }, { memoryId: "b" }], sources: OK });
  const rest = await sync.list({ limit: 2, cursor: page.cursor as string });
  expect(rest).toMatchObject({ memories: [{ memoryId: "c", source: "replica" }], cursor: null, sources: OK });
  expect(await sync.count()).toEqual({ count: 3, estimate: false, sources: OK });
  expect((await sync.list({ where: { memoryId: { in: ["a", "c"] } } })).memories).toHaveLength(2);
  const found = await sync.search("beta", { mode: "text" });
  expect(found.map(({ memory }) => memory.memoryId).sort()).toEqual(["b", "c"]);
  expect((await sync.history("c")).map(({ version, endedBy }) => [version, endedBy])).toEqual([
    [3, "expired"],
    [2, undefined],
    [1, undefined],
  ]);

  // The primary does not know it any more, and its deletion is written all the same.
  expect(await sync.delete("c")).toMatchObject({ status: "synced" });
  expect(await sync.delete("b")).toMatchObject({ status: "synced" });
  expect(await sync.getMany(["b", "c"])).toEqual([null, null]);
  await world.caughtUp();
  await forget(world, "b");
  await forget(world, "c");
  expect(await sync.getMany(["b", "c"])).toEqual([null, null]);
  expect(await sync.count()).toMatchObject({ count: 1, sources: OK });
  expect(await sync.search("beta", { mode: "text" })).toEqual([]);
  expect(await sync.history("c")).toEqual([]);
});

test("without the archive what expired stays away; what the primary lost without a tombstone is read from the replica", async (t) => {
  const world = await openReplicaWorld(t, {
    replica: { readTimeoutMs: 20_000 },
    world: { settings: { syncIntervalMs: 100 } },
  });
  await expire(world, "a", true);
  await world.put("b", { content: "lost", metadata: { kind: "x" } });
  await world.caughtUp();
  await world.world.sql`delete from mnemosync.memory_bodies where memory_id = 'b'`;
  await world.world.sql`delete from mnemosync.memory_versions where memory_id = 'b'`;
  const { sync } = world;
  expect(await sync.list({ where: { "metadata.kind": { eq: "x" } } })).toMatchObject({ memories: [{ memoryId: "b" }] });
  expect(await sync.getMany(["a", "b"])).toMatchObject([null, { content: "lost", source: "replica" }]);
  expect(await sync.count()).toMatchObject({ count: 1 });
  await sync.delete("b");
  expect(await sync.get("b")).toBeNull();
  expect(await sync.count()).toMatchObject({ count: 0 });
});

test("a replica that was not told of a deletion shows nothing of it, also after the tombstone is pruned", async (t) => {
  const world = await openReplicaWorld(t, {
    replica: { archive: "expired", readTimeoutMs: 20_000 },
    world: { settings: { syncIntervalMs: 100 } },
  });
  await world.put("a", { content: "kept" });
  await world.put("b", { content: "deleted" });
  await expire(world, "c", false);
  await world.paused();
  await world.sync.delete("b");
  const { sync } = world;
  const read = told();
  expect(await sync.get("b", read)).toBeNull();
  expect(read.sources).toEqual(OK);
  expect(await sync.get("c", read)).toMatchObject({ source: "replica" });
  await forget(world, "b");
  expect(await sync.get("b", read)).toBeNull();
  expect(read.sources).toEqual({ primary: "ok", replica: "behind" });
  expect(await sync.get("c", read)).toBeNull();
  expect(await sync.list()).toMatchObject({ memories: [{ memoryId: "a" }], sources: { replica: "behind" } });
  // It is never told of that deletion: once it has come past the place, it has compared itself with the primary.
  await world.put("d", { content: "later" });
  await sync.replica.resume();
  await world.caughtUp();
  expect(await sync.get("c", read)).toMatchObject({ source: "replica" });
  expect(await sync.getMany(["a", "b"], read)).toMatchObject([{ content: "kept" }, null]);
  expect(read.sources).toEqual(OK);
});

test("a memory that expires while both sides are counted counts once", async (t) => {
  const world = await openReplicaWorld(t, {
    replica: { archive: "expired", readTimeoutMs: 60_000 },
    world: { settings: { syncIntervalMs: 100 } },
  });
  const proxy = await TcpProxy.start(Number(new URL(world.replicaUrl).port));
  t.onTestFinished(() => proxy.close());
  const reader = await MemorySynchronizer.connect({
    postgresUrl: world.world.databaseUrl,
    redisUrl: "none",
    replica: {
      // No look at the replica's health ends the read that waits for it.
      ...{ enabled: true, archive: "expired", readTimeoutMs: 60_000, healthCheckIntervalMs: 3_600_000 },
      postgresUrl: proxy.through(world.replicaUrl),
    },
  });
  t.onTestFinished(() => reader.close());
  await world.put("kept", { content: "alive" });
  await expire(world, "past", false);
  expect(await reader.count()).toEqual({ count: 2, estimate: false, sources: OK });
  await world.put("soon", { content: "short-lived", expiresAt: new Date(Date.now() + 5_000).toISOString() });
  await world.caughtUp();
  // The primary counts at once, and the replica's answer arrives after the memory has expired, and was swept.
  proxy.blackHole("toClient");
  const sent = proxy.bytes.toServer;
  const count = reader.count();
  count.catch(() => undefined); // Awaited below.
  await expect.poll(() => proxy.bytes.toServer).toBeGreaterThan(sent);
  expect(await endingOf(world, "soon")).toBeNull();
  await expect.poll(() => endingOf(world, "soon"), { timeout: 60_000 }).toBe("expired");
  await proxy.pass();
  expect(await count).toEqual({ count: 3, estimate: false, sources: OK });
  expect(await reader.count()).toEqual({ count: 3, estimate: false, sources: OK });
});

async function endingOf({ world: { sql } }: ReplicaWorld, memoryId: string): Promise<string | null> {
  const [row] = await sql<{ ended_by: string | null }[]>`
    select ended_by from mnemosync.memory_versions where memory_id = ${memoryId}`;
  return row?.ended_by ?? null;
}
