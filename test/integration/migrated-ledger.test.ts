/**
 * Goal: a ledger that an older version wrote loses nothing by its migration, and works afterwards. Method: load a frozen
 * dump, migrate, compare with what SQL said before; then drain, check deeply, repair. `version-matrix.test.ts` has the other
 * stores, and the older version on the migrated ledger.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import type postgres from "postgres";
import { expect, inject, type TestContext, test } from "vitest";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import { migrate } from "../../src/ledger/migrate.ts";
import { loadLedger } from "../support/ledger-dump.ts";
import { readTables } from "../support/store-bytes.ts";

const DUMP = "ledger-0008";
/** Tables that a migration gave another name, with the rows of before. */
const RENAMED: Record<string, string> = { memories: "unmoved_documents", memory_history: "unmoved_history" };
/** Says what was applied, which a migration adds to. */
const BOOKKEEPING = ["schema_migrations", "stores"];

async function migrated(url: string) {
  const pool = new PostgresPool(url, { max: 1 });
  try {
    return await migrate(pool, AbortSignal.timeout(90_000));
  } finally {
    await pool.close();
  }
}

/** What a version holds, in a form that both schemas can be asked for. */
interface OldVersion {
  readonly namespace: string;
  readonly memoryId: string;
  readonly version: number;
  readonly checksum: string | null;
  readonly document: unknown;
  readonly embedding: string | null;
  readonly versionVector: unknown;
  readonly modifiedAt: number;
  readonly transactionId: string;
}

/** Every version of the old ledger, the current ones and the replaced ones, newest first for each memory. */
async function oldVersions(sql: postgres.Sql): Promise<OldVersion[]> {
  return await sql<OldVersion[]>`
    select namespace, memory_id as "memoryId", version::int as version, checksum, document,
           encode(embedding, 'hex') as embedding, version_vector as "versionVector", tx_id as "transactionId",
           round(extract(epoch from modified_at) * 1000)::float8 as "modifiedAt"
    from (
      select v.namespace, v.memory_id, v.version, checksum, document, embedding, version_vector, modified_at, tx_id
      from mnemosync.memory_versions v left join mnemosync.memories m using (namespace, memory_id)
      union all
      select namespace, memory_id, version, checksum, document, embedding, version_vector, modified_at, tx_id
      from mnemosync.memory_history
    ) all_versions order by 1, 2, 3 desc`;
}

async function openNew(t: TestContext, url: string) {
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-migrated-"));
  const redisPrefix = `migrated-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const sync = await MemorySynchronizer.connect({
    postgresUrl: url,
    redisUrl: inject("redisUrl"),
    redisPrefix,
    nodeId: "node-a",
    faiss: { directory, dimension: 8, model: "model-1" },
  });
  t.onTestFinished(async () => {
    await sync.close();
    const redis = new Redis(inject("redisUrl"));
    const keys = await redis.keys(`${redisPrefix}:*`);
    if (keys.length > 0) await redis.unlink(keys);
    redis.disconnect();
    await rm(directory, { recursive: true, force: true });
  });
  return sync;
}

test("the dump holds every kind of row that a migration may meet", async (t) => {
  const { sql } = await loadLedger(t, DUMP);
  for (const [table, rows] of await readTables(sql)) expect(rows, table).not.toEqual([]);
  const [counts] = await sql`
    select (select count(*) from mnemosync.memory_versions)::int as memories,
           (select count(distinct namespace) from mnemosync.memory_versions)::int as namespaces,
           (select count(*) from mnemosync.memory_versions where deleted_at is not null)::int as tombstones,
           (select count(*) from mnemosync.memory_versions where expires_at < clock_timestamp() and deleted_at is null)::int as expired,
           (select count(*) from mnemosync.memory_history)::int as history,
           (select count(*) from mnemosync.sync_transactions where state = 'committed')::int as unpublished,
           (select count(*) from mnemosync.sync_transactions where state = 'rolled_back')::int as rolled_back,
           (select count(*) from mnemosync.sync_transactions where idempotency_key is not null)::int as keys`;
  expect(counts).toEqual({
    ...{ memories: 60, namespaces: 2, tombstones: 4, expired: 1, unpublished: 1, rolled_back: 6, keys: 2 },
    history: expect.any(Number),
  });
  const queue = await sql`select distinct store, dead_at is not null as dead from mnemosync.sync_queue order by 1, 2`;
  expect(queue).toHaveLength(4);
  const conflicts = await sql`select distinct store, state from mnemosync.conflict_resolutions order by 1, 2`;
  expect(conflicts).toEqual([
    { store: "import", state: "pending" },
    { store: "redis", state: "pending" },
    { store: "redis", state: "resolved" },
  ]);
});

test("the migration changes no column that both versions have, and the stores of a memory are known by id", async (t) => {
  const { url, sql } = await loadLedger(t, DUMP);
  const before = await readTables(sql, BOOKKEEPING);
  const stores = await sql<{ key: string; redis: string | null; faiss: string | null }[]>`
    select namespace || '/' || memory_id as key, redis_version as redis, faiss_version as faiss
    from mnemosync.memory_versions order by 1`;
  const report = await migrated(url);
  expect(report.applied[0]).toBe("0009_open_stores.sql");
  const after = await readTables(sql, BOOKKEEPING);
  for (const [before19, rows] of before) {
    const table = RENAMED[before19] ?? before19;
    const kept = Object.keys(after.get(table)?.[0] ?? {});
    const shared = (row: Record<string, unknown>) =>
      JSON.stringify(Object.fromEntries(kept.filter((column) => column in rows[0]!).map((name) => [name, row[name]])));
    // Migration 12 names the ledger; migration 19 notes how far its history is pruned.
    const those = after.get(table)?.filter((row) => row.name !== "ledger_id" && row.name !== "history_pruned_through");
    expect(those?.map(shared).sort(), table).toEqual(rows.map(shared).sort());
  }
  const now = await sql<{ key: string; versions: Record<string, number>; has_embedding: boolean }[]>`
    select namespace || '/' || memory_id as key, store_versions as versions, has_embedding
    from mnemosync.memory_versions order by 1`;
  expect(now).toEqual(
    stores.map(({ key, redis, faiss }) => ({
      key,
      versions: { ...(redis !== null && { redis: Number(redis) }), ...(faiss !== null && { faiss: Number(faiss) }) },
      has_embedding: faiss !== null,
    })),
  );
  expect(await sql`select id, holds, filled_at is not null as filled from mnemosync.stores`).toEqual([
    { id: "redis", holds: ["documents", "vectors"], filled: true },
  ]);
  expect(await migrated(url)).toEqual({ applied: [], version: report.version });
});

test("every version, transaction, conflict and answer reads back as the older program wrote it", async (t) => {
  const { url, sql } = await loadLedger(t, DUMP);
  const versions = await oldVersions(sql);
  const conflicts = await sql`select id::text, namespace, memory_id, store, kind, strategy, state
                              from mnemosync.conflict_resolutions order by id`;
  const [key] = await sql`select idempotency_key, tx_id from mnemosync.sync_transactions
                          where idempotency_key is not null and cardinality(memory_ids) = 1`;
  const sync = await openNew(t, url);

  const byMemory = new Map<string, OldVersion[]>();
  for (const version of versions) {
    const name = `${version.namespace}/${version.memoryId}`;
    byMemory.set(name, [...(byMemory.get(name) ?? []), version]);
  }
  for (const [name, wanted] of byMemory) {
    const { namespace, memoryId } = wanted[0]!;
    const found = await sync.history(memoryId, { namespace });
    const plain = found.map(({ embedding, modifiedAt, ...version }) => ({
      ...version,
      embedding: embedding === null ? null : Buffer.from(embedding.buffer, 0, embedding.byteLength).toString("hex"),
      modifiedAt: Math.round(modifiedAt),
    }));
    expect(plain, name).toEqual(
      // Before migration 19 there was one reason.
      wanted.map((version) => ({ ...version, ...(version.checksum === null && { endedBy: "deleted" }) })),
    );
    const current = await sync.get(memoryId, { namespace });
    const isThere = wanted[0]!.checksum !== null && memoryId !== "memory-57";
    expect(current?.checksum ?? null, name).toBe(isThere ? wanted[0]!.checksum : null);
  }
  const listed = await sync.conflicts.list({ state: "resolved" });
  const pending = await sync.conflicts.list();
  const all = [...listed, ...pending].sort((one, other) => Number(one.id) - Number(other.id));
  expect(
    all.map(({ id, namespace, memoryId, store, kind, strategy, state }) => [
      id,
      namespace,
      memoryId,
      store,
      kind,
      strategy,
      state,
    ]),
  ).toEqual(
    conflicts.map((row) => [row.id, row.namespace, row.memory_id, row.store, row.kind, row.strategy, row.state]),
  );
  // A repeat under an old key is answered as the first call was.
  const { namespace: _, memoryId, ...fields } = (await inputOf(sync, "memory-53"))!;
  const repeated = await sync.syncMemory(memoryId, fields, { idempotencyKey: key?.idempotency_key });
  expect(repeated).toMatchObject({ version: 1, transactionId: key?.tx_id, status: "synced" });
  expect(repeated.stores).toEqual({ postgres: "applied", redis: "applied", faiss: "not_applicable" });
  // Also for a caller with a name, which old keys do not have; and never as the answer to another request.
  const idempotencyKey = key?.idempotency_key;
  expect(await sync.syncMemory(memoryId, fields, { idempotencyKey, caller: "service" })).toEqual(repeated);
  await expect(sync.delete(memoryId, { idempotencyKey })).rejects.toMatchObject({ code: "IDEMPOTENCY_KEY_REUSED" });
  const elsewhere = await sync.syncMemory(memoryId, { ...fields, namespace: "elsewhere" }, { idempotencyKey });
  expect(elsewhere).toMatchObject({ namespace: "elsewhere", version: 1, status: "synced" });
});

test("its backlog drains, and a deep check after the repair of an empty Redis is clean", async (t) => {
  const { url, sql } = await loadLedger(t, DUMP);
  const sync = await openNew(t, url);
  await sync.backlog.retry();
  await sync.backlog.drain();
  const [left] = await sql`select (select count(*) from mnemosync.sync_queue)::int as queued,
                                  (select count(*) from mnemosync.sync_transactions where state = 'committed')::int as unpublished`;
  expect(left).toEqual({ queued: 0, unpublished: 0 });
  // What was unpublished or queued is in Redis now, the rest is not: this Redis began empty.
  const report = await sync.checkConsistency({ scope: "deep", resume: false });
  expect(new Set(report.findings.map(({ store, kind }) => `${store} ${kind}`))).toEqual(new Set(["redis missing"]));
  const missing = report.findings.map(({ memoryId }) => memoryId);
  for (const id of ["03", "31", "50", "51", "52", "59"]) expect(missing).not.toContain(`memory-${id}`);
  const repaired = await sync.repairInconsistencies(report);
  expect(repaired).toMatchObject({ failed: 0, deferred: 0, repaired: report.findings.length });
  for (const scope of ["quick", "full", "deep"] as const) {
    const again = await sync.checkConsistency({ scope, resume: false });
    expect(again, scope).toMatchObject({ clean: true, findings: [] });
  }
  const live = await sql`select 1 from mnemosync.memory_versions where deleted_at is null`;
  const { stores } = await sync.status();
  expect(stores.postgres?.memories).toBe(live.length);
});

async function inputOf(sync: MemorySynchronizer, memoryId: string) {
  const memory = await sync.get(memoryId);
  if (memory === null) return null;
  const { version: _, checksum: _2, versionVector: _3, modifiedAt: _4, source: _5, embedding, ...fields } = memory;
  return { ...fields, ...(embedding !== null && { embedding }) };
}
