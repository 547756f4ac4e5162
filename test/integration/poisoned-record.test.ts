import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { MemoryValidator } from "../../src/domain/schema.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { migrate } from "../../src/ledger/migrate.ts";
import { readPostgresFacts } from "../../src/ledger/server-facts.ts";
import { backToOldTables } from "../support/before-bodies.ts";
import { feedShown } from "../support/feed-shown.ts";
import { openWorld, type World } from "../support/world.ts";

/** Goal: no version and no counter comes in that has no successor, and one that came in before does not end anything else. */

const MAX = 2 ** 48;
const TOO_FAR = Number.MAX_SAFE_INTEGER;

/** An export of one memory, whose record has `fields` in place of its own. */
async function exportWith(world: World, fields: object): Promise<unknown[]> {
  const records: unknown[] = [];
  for await (const record of world.sync.exportMemories()) {
    records.push("memoryId" in record ? { ...record, memoryId: "imported", ...fields } : record);
  }
  return records;
}

test("an import refuses versions and counters beyond 2^48, and names the field", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(1);
  for (const [fields, message] of [
    [{ version: TOO_FAR }, /^version: must be a whole number from 1 to 281474976710656/],
    [{ version: MAX + 1 }, /^version: /],
    [
      { versionVector: { node: MAX + 1 } },
      /^versionVector: must be an object of whole numbers from 0 to 281474976710656/,
    ],
    [{ versionVector: { node: 1.5 } }, /^versionVector: /],
  ] as const) {
    const report = await world.sync.importMemories(await exportWith(world, fields));
    expect(report.errors).toEqual([{ line: 2, code: "VALIDATION", message: expect.stringMatching(message) }]);
  }
});

test("a memory at the highest version is refused its next one, and the rest of its batch is written", async (t) => {
  const world = await openWorld(t);
  await world.fill(2);
  await world.sync.importMemories(await exportWith(world, { version: MAX }));
  const outcomes = await world.sync.syncBatch([
    world.memory(0, { memoryId: "imported", content: "one more" }),
    world.memory(1, { memoryId: "other", content: "another" }),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["failed", "synced"]);
  expect(outcomes[0]?.error?.message).toMatch(/the highest version is 281474976710656.*Renumber/s);
  await world.restart();
  expect((await world.sync.get("imported"))?.version).toBe(MAX);
});

test.each([MAX + 1, -1, 1.5, Number.NaN])("an expected version of %d is refused", (expectedVersion) => {
  expect(() => new MemoryValidator().checkExpectedVersion(expectedVersion)).toThrow(/whole number from 0 to/);
});

test("PostgreSQL refuses versions and counters beyond the caps from any program", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(1);
  const version = world.sql`update mnemosync.memory_versions set version = ${String(MAX + 1)}::bigint`;
  await expect(version).rejects.toThrow(/memory_versions_version_max/);
  for (const vector of ['{"n": 281474976710657}', '{"n": "x"}', '{"n": -1}', "[]", "7"]) {
    const change = world.sql`update mnemosync.memory_versions set version_vector = ${vector}::text::jsonb`;
    await expect(change, vector).rejects.toThrow(/memory_versions_vector_counters/);
  }
});

/** Puts the ledger back to before the caps, with a row of then. */
async function poison(world: World, memoryId: string): Promise<void> {
  await backToOldTables(world.sql);
  await world.sql`
    alter table mnemosync.memory_versions
      drop constraint memory_versions_version_max, drop constraint memory_versions_vector_counters`;
  await world.sql`alter table mnemosync.memory_history drop constraint memory_history_version_max`;
  await world.sql`delete from mnemosync.schema_migrations where number = 16`;
  await world.sql`
    update mnemosync.memory_versions
    set version = 9007199254740992, xid = pg_current_xact_id(), seq = nextval('mnemosync.change_seq')
    where memory_id = ${memoryId}`;
}

test("a record that came in before the caps keeps neither the migration nor the index from opening", async (t) => {
  const world = await openWorld(t);
  const outcomes = await world.fill(300);
  const poisoned = outcomes[7]?.memoryId as string;
  await world.disconnect();
  await poison(world, poisoned);
  await feedShown(world);

  await world.connect();
  const other = world.memory(8);
  const found = await world.sync.search(other.embedding as number[], { k: 1 });
  expect(found[0]?.memory.memoryId).toBe(other.memoryId);
  expect((await world.sync.status()).stores.faiss?.state).toBe("healthy");
  const [dead] = await world.sync.backlog.list();
  expect(dead).toMatchObject({
    memoryId: poisoned,
    store: "faiss",
    state: "dead",
    lastError: expect.stringMatching(/version/),
  });

  const pool = new PostgresPool(world.databaseUrl, { max: 1 });
  t.onTestFinished(() => pool.close());
  const signal = AbortSignal.timeout(90_000);
  expect(await pool.use(signal, ({ sql }) => readPostgresFacts(sql))).toMatchObject({ rowsBeyondCaps: 1 });
  const report = await world.sync.checkConsistency({ scope: "deep" });
  const own = report.findings.find(({ memoryId, store }) => memoryId === poisoned && store === "postgres");
  expect(own?.kind).toBe("corrupt");

  // As docs/operations.md says.
  const manual = await readFile(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const chapter = manual.split("Versions beyond the cap")[1] ?? "";
  const statements = /```sql\n([\s\S]*?)```/.exec(chapter)?.[1];
  expect(statements).toBeDefined();
  await world.sql.unsafe(statements as string);
  await feedShown(world);
  await world.restart();
  await world.sync.repairInconsistencies(await world.sync.checkConsistency({ scope: "deep" }));
  await world.sync.backlog.retry();
  await world.sync.backlog.drain();
  const after = await world.sync.checkConsistency({ scope: "deep" });
  expect(after.findings).toEqual([]);
  expect((await world.put({ ...world.memory(7), content: "written again" })).status).toBe("synced");
  expect(await pool.use(signal, ({ sql }) => readPostgresFacts(sql))).toMatchObject({ rowsBeyondCaps: 0 });
});

test("a version vector in the ledger that cannot be read is a finding of the deep check", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const [outcome] = await world.fill(2);
  await world.sql`alter table mnemosync.memory_versions drop constraint memory_versions_vector_counters`;
  await world.sql`
    update mnemosync.memory_versions set version_vector = '{"n": 281474976710657}' where memory_id = ${outcome!.memoryId}`;
  const report = await world.sync.checkConsistency({ scope: "deep" });
  const { memoryId } = outcome!;
  expect(report.findings).toContainEqual(
    expect.objectContaining({
      memoryId,
      store: "postgres",
      kind: "corrupt",
      evidence: expect.stringMatching(/version vector/),
    }),
  );
  const repair = await world.sync.repairInconsistencies(report);
  expect(repair.details.find(({ store }) => store === "postgres")).toMatchObject({ outcome: "failed" });
});

test("a version vector in Redis that cannot be read is a finding of the deep check, and is repaired", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const [outcome] = await world.fill(2);
  await world.redis.hset(world.redisKey(outcome!.memoryId), "vector", '{"n":281474976710657}');
  const report = await world.sync.checkConsistency({ scope: "deep" });
  expect(report.findings.map(({ store, kind }) => [store, kind])).toEqual([["redis", "corrupt"]]);
  await world.sync.repairInconsistencies(report);
  expect((await world.sync.checkConsistency({ scope: "deep" })).findings).toEqual([]);
});

test("a migration of a sound ledger validates its constraints", async (t) => {
  const world = await openWorld(t, { faiss: false });
  await world.fill(3);
  const [outcome] = await world.sql<{ memory_id: string }[]>`select memory_id from mnemosync.memory_versions limit 1`;
  await poison(world, outcome!.memory_id);
  await world.sql`update mnemosync.memory_versions set version = 1 where version > 1`;
  const pool = new PostgresPool(world.databaseUrl, { max: 1 });
  t.onTestFinished(() => pool.close());
  await migrate(pool, AbortSignal.timeout(90_000));
  const constraints = await world.sql`
    select conname from pg_constraint where conname like 'memory_%' and conname ~ '(version_max|counters)$' and convalidated`;
  expect(constraints).toHaveLength(3);
});
