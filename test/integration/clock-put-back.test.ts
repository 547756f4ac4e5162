import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { CheckLedger } from "../../src/ledger/check-ledger.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase, type TestDatabase } from "../support/template-database.ts";
import { openWorld } from "../support/world.ts";

/**
 * Goal: no work stands still, and no drift is overlooked, after the server's clock was put back by two hours. Method: the
 * stored times are put two hours ahead, as a clock that was wrong left them, or a node that died meanwhile.
 */

const soon = () => AbortSignal.timeout(60_000);
const KEY = { namespace: "default", memoryId: "m" };

let database: TestDatabase;
let pool: PostgresPool;
let sql: postgres.Sql;
let ledger: Ledger;
let checks: CheckLedger;

beforeAll(async () => {
  database = await createTestDatabase(postgresUrl());
  pool = new PostgresPool(database.url, { max: 4 });
  sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  ledger = new Ledger(pool, { nodeId: "one" });
  checks = new CheckLedger(pool, { nodeId: "one", callTimeoutMs: 10_000 });
});

afterAll(async () => {
  await pool.close();
  await sql.end({ timeout: 1 });
  await database.drop();
});

beforeEach(async () => {
  await sql`truncate mnemosync.sync_queue, mnemosync.sync_transactions, mnemosync.leases, mnemosync.check_progress,
                     mnemosync.idempotency_keys`;
});

describe("a queued memory", () => {
  const queue = { store: "redis", nodeId: "" };
  const claim = (workerId: string) => ledger.claim(queue, { workerId, turn: 1, oldestTurn: 1 }, 10, 60_000, soon());

  test("whose next attempt lies further ahead than any pause is claimed", async () => {
    await ledger.enqueue(queue, [KEY], "test", soon());
    await sql`update mnemosync.sync_queue set next_attempt_at = clock_timestamp() + interval '2 hours'`;
    expect(await claim("w")).toMatchObject([KEY]);
  });

  test("whose pause is a legal one waits for its end", async () => {
    await ledger.enqueue(queue, [KEY], "test", soon());
    await sql`update mnemosync.sync_queue set next_attempt_at = clock_timestamp() + interval '5 minutes'`;
    expect(await claim("w")).toEqual([]);
  });

  test("that a dead worker claimed until the future is claimed anew, and reads as pending", async () => {
    await ledger.enqueue(queue, [KEY], "test", soon());
    expect(await claim("dead")).toHaveLength(1);
    expect(await claim("w")).toEqual([]);
    expect(await ledger.listQueue(10, soon())).toMatchObject([{ state: "claimed" }]);
    await sql`update mnemosync.sync_queue set claimed_until = claimed_until + interval '2 hours'`;
    expect(await ledger.listQueue(10, soon())).toMatchObject([{ state: "pending" }]);
    expect(await claim("w")).toMatchObject([KEY]);
  });
});

describe("a transaction from the future", () => {
  beforeEach(async () => {
    await sql`
      insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions, created_at)
      values ('T', 'committed', 'dead', '{default}', '{m}', '{1}', clock_timestamp() + interval '2 hours')`;
  });

  test("that is not published is overdue", async () => {
    expect(await ledger.queueOverdue(30_000, 10, soon(), [])).toEqual({ transactions: 1, memories: 1 });
  });

  test("is kept for its retention, and not for ever", async () => {
    await sql`update mnemosync.sync_transactions set state = 'published'`;
    expect(await ledger.pruneTransactions(86_400_000, 10, soon())).toBe(0);
    await sql`update mnemosync.sync_transactions set created_at = created_at + interval '20 years'`;
    expect(await ledger.pruneTransactions(86_400_000, 10, soon())).toBe(1);
  });
});

test("an idempotency key from the future is kept for its retention, and not for ever", async () => {
  await sql`
    insert into mnemosync.idempotency_keys (namespace, caller, key, part, fingerprint, tx_id, answer, created_at)
    values ('default', '', 'k', 0, 'f', 'T', '[]', clock_timestamp() + interval '2 hours')`;
  expect(await ledger.pruneIdempotencyKeys(86_400_000, 10, soon())).toBe(0);
  await sql`update mnemosync.idempotency_keys set created_at = created_at + interval '20 years'`;
  expect(await ledger.pruneIdempotencyKeys(86_400_000, 10, soon())).toBe(1);
});

test("the role of a dead holder passes to another node, and a living holder keeps it", async () => {
  const acquire = (holder: string) => checks.acquireLease("checker", holder, 30_000, soon());
  expect(await acquire("dead")).toBe(true);
  expect(await acquire("other")).toBe(false);
  await sql`update mnemosync.leases set expires_at = expires_at + interval '2 hours'`;
  expect(await acquire("other")).toBe(true);
  expect(await acquire("dead")).toBe(false);
});

test("the sign of life of a check, given in the future, tells nothing", async () => {
  await checks.beginCheck("full", "run", "nothing", soon());
  const silence = async () => (await checks.checkStates(soon()))[0]?.silentMs;
  expect(await silence()).toBeLessThan(60_000);
  await sql`update mnemosync.check_progress set updated_at = updated_at + interval '2 hours'`;
  expect(await silence()).toBe(Number.POSITIVE_INFINITY);
});

test("a full check finds all drift, and the backlog drains, whenever the stored times say that it was written", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(20);
  await world.redis.del(...world.memories(20).map(({ memoryId }) => world.redisKey(memoryId)));
  // Once no mark comes any more, half of it looks as if it were on its way: committed, or queued, by a clock that was ahead.
  const unmarked = () => world.sql`select from mnemosync.sync_transactions where state = 'committed'`;
  await expect.poll(async () => (await unmarked()).length).toBe(0);
  await world.sql`
    update mnemosync.sync_transactions set state = 'committed', created_at = clock_timestamp() + interval '2 hours'`;
  await world.sql`
    insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, enqueued_at, next_attempt_at)
    select 'redis', '', namespace, memory_id, clock_timestamp() + interval '2 hours', clock_timestamp() + interval '2 hours'
    from mnemosync.memory_versions where version = 1 order by memory_id limit 10`;
  const report = await world.sync.checkConsistency({ scope: "full" });
  expect(report.findings.map(({ kind }) => kind)).toEqual(Array(20).fill("missing"));
  await world.sync.backlog.drain();
  expect((await world.sync.checkConsistency({ scope: "full" })).findings).toEqual([]);
  expect((await world.sync.status()).backlog).toEqual({ pending: 0, failed: 0, dead: 0 });
});
