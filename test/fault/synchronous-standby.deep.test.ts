import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import postgres from "postgres";
import { afterAll, afterEach, beforeEach, expect, inject, test } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { ReplicatedPostgres } from "../support/replicated-postgres.ts";

/**
 * Goal: with a synchronous standby, an outcome that says that a memory is stored is true after a failover. Method: a real
 * standby that streams, and that is frozen or stopped, so that commits wait for it. (What a frozen one was sent stands in its
 * socket: it has it once it is thawed.)
 */

const MEMORY = { content: "one", memoryType: "test" };
/** Milliseconds. The wait for the standby outlives both. */
const CALL_TIMEOUT_MS = 2_000;
const IN_DOUBT_TIMEOUT_MS = 6_000;

/** Text of the statement that looks whether the server process of a lost connection is gone. */
const LOOK = "%pg_terminate_backend%";

let pair: ReplicatedPostgres;
let sync: MemorySynchronizer;
let sql: postgres.Sql;
let prefix: string;
const redis = new Redis(inject("redisUrl"));

beforeEach(async () => {
  prefix = `test-${randomBytes(6).toString("hex")}`;
  pair = await ReplicatedPostgres.start();
  sql = postgres(pair.url, { max: 2, onnotice: () => undefined });
  await (await connect(pair.url, 60_000)).close(); // Its migrations may take longer than the calls below.
  sync = await connect(pair.url);
  await pair.setSynchronous(true);
  expect(await sync.syncMemory("before", MEMORY)).toMatchObject({ status: "synced" });
}, 300_000);

afterEach(async () => {
  await pair.standby.thaw().catch(() => undefined); // Closed by its test.
  await sync.close();
  await sql.end({ timeout: 1 });
  await pair.close();
}, 240_000);

afterAll(() => redis.quit());

/** The server's time-out of a statement is no longer than ours of a call: it must not end the wait either. */
function connect(
  postgresUrl: string,
  callTimeoutMs = CALL_TIMEOUT_MS,
  inDoubtTimeoutMs = IN_DOUBT_TIMEOUT_MS,
): Promise<MemorySynchronizer> {
  return MemorySynchronizer.connect({
    postgresUrl,
    redisUrl: inject("redisUrl"),
    redisPrefix: prefix,
    callTimeoutMs,
    commandTimeoutMs: callTimeoutMs,
    inDoubtTimeoutMs,
  });
}

const cached = (memoryId: string) => redis.exists(`${prefix}:memory:default:${memoryId}`);

/** A write whose deadline leaves time for the ledger's own ones. */
const put = (memoryId: string) =>
  sync.syncMemory(memoryId, MEMORY, { timeoutMs: 60_000 }).then(
    ({ status }) => status as string,
    (error) => error.code as string,
  );

const waiting = async () =>
  (await sql<{ pid: number }[]>`select pid from pg_stat_activity where wait_event = 'SyncRep'`).map(({ pid }) => pid);

test("a write that waits for its standby is not ended, and is never called stored", async () => {
  await pair.standby.stop();
  expect(await put("m")).toBe("COMMIT_OUTCOME_UNKNOWN");
  expect(await waiting()).not.toEqual([]);
  expect(await cached("m")).toBe(0);
  await sync.close();
  await pair.failOver();
  sync = await connect(pair.standbyUrl);
  expect(await sync.get("before")).toMatchObject(MEMORY);
  expect(await sync.get("m")).toBeNull();
}, 300_000);

test("a write whose wait another session cancelled is not called stored before the standby has it", async () => {
  await pair.standby.stop();
  const outcome = put("m");
  await pollUntil("the commit waiting for the standby", 30_000, async () => (await waiting()).length > 0);
  for (const pid of await waiting()) await sql`select pg_terminate_backend(${pid}, 5000)`;
  const [row] = await sql`select version::int as version from mnemosync.memory_versions where memory_id = 'm'`;
  expect(row?.version).toBe(1); // Visible here, and lost with this server.
  expect(await outcome).toBe("COMMIT_OUTCOME_UNKNOWN");
  await sync.close();
  await pair.failOver();
  sync = await connect(pair.standbyUrl);
  expect(await sync.get("m")).toBeNull();
}, 300_000);

test("a write that waits is stored once the standby answers in time", async () => {
  await sync.close();
  sync = await connect(pair.url, CALL_TIMEOUT_MS, 60_000); // The test needs its time before the outcome is called unknown.
  await pair.standby.freeze();
  const outcome = put("m");
  await pollUntil("the commit waiting for the standby", 30_000, async () => (await waiting()).length > 0);
  await pollUntil("the look for its outcome", 30_000, async () => {
    return (await sql`select 1 from pg_stat_activity where query like ${LOOK} and pid <> pg_backend_pid()`).length > 0;
  });
  await pair.standby.thaw();
  expect(await outcome).toBe("synced");
  await sync.close();
  await pair.failOver();
  sync = await connect(pair.standbyUrl);
  expect(await sync.get("m")).toMatchObject({ version: 1, ...MEMORY });
}, 300_000);

test("a write that was called unknown and is replicated in the end is published by the backlog", async () => {
  await pair.standby.freeze();
  expect(await put("m")).toBe("COMMIT_OUTCOME_UNKNOWN");
  await pair.standby.thaw();
  await pollUntil("the commit being visible", 30_000, async () => {
    return (await sql`select 1 from mnemosync.memory_versions where memory_id = 'm'`).length === 1;
  });
  await sql`update mnemosync.sync_transactions set created_at = created_at - interval '1 hour'`;
  await sync.backlog.drain();
  expect(await cached("m")).toBe(1);
  expect((await sync.checkConsistency({ scope: "deep" })).clean).toBe(true);
}, 300_000);
