import { Redis } from "ioredis";
import postgres from "postgres";
import { expect, test } from "vitest";
import { BorrowedPostgres } from "../../src/drivers/postgres/borrowed-postgres.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { unitVector } from "../support/memories.ts";
import { openWorld } from "../support/world.ts";

test("a caller's own clients do all that the synchronizer's do, and are left open by close", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const sql = postgres(world.databaseUrl, { max: 5, onnotice: () => undefined });
  const redis = new Redis(world.redisUrl);
  t.onTestFinished(async () => {
    redis.disconnect();
    await sql.end({ timeout: 1 });
  });
  const sync = await MemorySynchronizer.withClients({ sql, redis }, { redisPrefix: world.prefix, nodeId: "own" });
  const outcomes = await sync.syncBatch(world.memories(300));
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["synced"]));
  expect(await sync.get("m7")).toMatchObject({
    content: "memory number 7",
    versionVector: { own: 1 },
    source: "redis",
  });
  expect(await sync.delete("m8")).toMatchObject({ version: 2, status: "synced" });
  expect(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 299 });
  await sync.close();
  expect(await redis.ping()).toBe("PONG");
  expect(await sql`select count(*)::int as count from mnemosync.memories`).toMatchObject([{ count: 299 }]);
  // Nothing of ours is left on the caller's connections.
  const open = await sql`
    select state from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`;
  expect(open).toHaveLength(0);
});

test("withClients creates the schema on a caller's own client", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const notices: string[] = [];
  const sql = postgres(world.databaseUrl, { max: 2, onnotice: ({ message }) => void notices.push(`${message}`) });
  const redis = new Redis(world.redisUrl);
  t.onTestFinished(async () => {
    redis.disconnect();
    await sql.end({ timeout: 1 });
  });
  await world.sql`drop schema mnemosync cascade`;
  const sync = await MemorySynchronizer.withClients({ sql, redis }, { redisPrefix: `${world.prefix}-empty` });
  expect(await sync.syncMemory("m1", { content: "x", memoryType: "note" })).toMatchObject({ status: "synced" });
  expect(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  await sync.backlog.runOnce();
  await sync.close();
  // The driver prints them to standard output where a caller sets no `onnotice`.
  expect(notices).toEqual([]);
});

test("a call that gives up waiting for a caller's connection returns it when it comes", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const sql = postgres(world.databaseUrl, { max: 1, onnotice: () => undefined });
  t.onTestFinished(() => sql.end({ timeout: 1 }));
  const held = await sql.reserve();
  const abort = new AbortController();
  const used = new BorrowedPostgres(sql).use(abort.signal, async () => "reached");
  abort.abort();
  await expect(used).rejects.toMatchObject({ code: "ABORTED" });
  held.release();
  expect(await sql`select 1 as one`).toMatchObject([{ one: 1 }]);
});

test("a call does not fail because another one gave up that had begun to look for a pooler", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const sql = postgres(world.databaseUrl, { max: 2, onnotice: () => undefined });
  t.onTestFinished(() => sql.end({ timeout: 1 }));
  const held = [await sql.reserve(), await sql.reserve()];
  const borrowed = new BorrowedPostgres(sql);
  const abort = new AbortController();
  const impatient = expect(borrowed.use(abort.signal, async () => "reached")).rejects.toMatchObject({
    code: "ABORTED",
  });
  const patient = borrowed.use(new AbortController().signal, async () => "reached");
  abort.abort();
  await impatient;
  for (const connection of held) connection.release();
  expect(await patient).toBe("reached");
});

test("the constructor is refused with the way to make a synchronizer", () => {
  const construct = MemorySynchronizer as unknown as new (own?: object) => MemorySynchronizer;
  for (const own of [undefined, {}, { sql: {}, redis: {} }]) {
    expect(() => new construct(own)).toThrow(/no public constructor: await MemorySynchronizer.connect\(options\) or/);
  }
});

test("with an index of the caller's, vectors are written, searched and checked", async (t) => {
  const world = await openWorld(t, { clients: "own" });
  await world.fill(50);
  const [nearest] = await world.sync.search(unitVector(17, 8), { k: 1 });
  expect(nearest?.memory.memoryId).toBe("m17");
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 50 });
  const { index } = world;
  await world.sync.close();
  // The index is the caller's, like the other clients.
  expect(await index.count(AbortSignal.timeout(60_000))).toBe(50);
});

test("a failed transaction leaves nothing open on the caller's connections, which go on working", async (t) => {
  const world = await openWorld(t, { clients: "own", faiss: false });
  await world.sql.unsafe(`
    create function refuse_poison() returns trigger language plpgsql as $$
    begin
      if new.document::text like '%POISON%' then raise exception 'poisoned' using errcode = 'check_violation'; end if;
      return new;
    end $$;
    create trigger refuse_poison before insert on mnemosync.memory_bodies for each row execute function refuse_poison();`);
  for (let turn = 0; turn < 15; turn++) {
    await expect(world.put(world.memory(turn, { content: "POISON" }))).rejects.toMatchObject({ code: "STORE_REFUSED" });
  }
  const open = await world.sql`
    select pid from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`;
  expect(open).toHaveLength(0);
  await world.fill(30);
});
