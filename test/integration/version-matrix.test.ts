/**
 * Goal: programs of two versions on one ledger, one Redis and one index folder damage nothing: the newer one goes on where
 * the older one stopped, and the older one refuses what the newer one has migrated. Method: stores that the older version
 * wrote, kept as text (`scripts/write-old-stores.mjs`); the older version is played by a program that knows migrations up
 * to its own only.
 */
import { copyFileSync, createReadStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, inject, onTestFinished, type TestContext, test, vi } from "vitest";
import { MemorySynchronizer, SchemaTooNewError } from "../../src/index.ts";
import { newestMigration } from "../../src/ledger/migrate.ts";
import { packageFile } from "../../src/runtime/package-files.ts";
import { emptyStores, loadOldStores, readData, type ThreeStores } from "../support/old-stores.ts";
import { readTables } from "../support/store-bytes.ts";

/** Where migrations come from while a test plays an older program; null: the package. */
const older = vi.hoisted(() => ({ folder: null as string | null }));
vi.mock(import("../../src/runtime/package-files.ts"), async (original) => {
  const actual = await original();
  return {
    ...actual,
    packageFile: (...path) => (path[0] === "sql" && older.folder !== null ? older.folder : actual.packageFile(...path)),
  };
});

/** Versions whose stores are kept under `test/data`, by their newest migration. */
const KEPT = ["0008"];

const temporary = mkdtempSync(join(tmpdir(), "mnemosync-old-sql-"));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

interface Finding {
  readonly namespace: string;
  readonly memoryId: string;
  readonly store: string;
  readonly kind: string;
  readonly expectedVersion: number | null;
  readonly foundVersion: number | null;
}

interface LedgerMemory {
  readonly namespace: string;
  readonly memoryId: string;
  readonly version: number;
  readonly checksum: string;
  readonly embedding: Buffer | null;
}

interface ExportedLine {
  readonly type?: string;
  readonly namespace: string;
  readonly memoryId: string;
  /** Null: a deletion. */
  readonly checksum: string | null;
}

const optionsOf = (stores: ThreeStores) => ({
  postgresUrl: stores.postgresUrl,
  redisUrl: inject("redisUrl"),
  redisPrefix: stores.redisPrefix,
  nodeId: "node-a",
  faiss: { directory: stores.directory, dimension: 8, model: "model-1" },
  publishDeadlineMs: 100,
});

async function open(stores: ThreeStores): Promise<MemorySynchronizer> {
  const sync = await MemorySynchronizer.connect(optionsOf(stores));
  onTestFinished(() => sync.close());
  return sync;
}

/** The memories that live in a ledger at migration 8. */
async function liveMemories({ sql }: ThreeStores): Promise<LedgerMemory[]> {
  return await sql<LedgerMemory[]>`
    select namespace, memory_id as "memoryId", version::int as version, checksum, embedding
    from mnemosync.memory_versions join mnemosync.memories using (namespace, memory_id)
    where deleted_at is null and (expires_at is null or expires_at > clock_timestamp()) order by 1, 2`;
}

function floats(bytes: Buffer): Float32Array {
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

const inOrder = (findings: readonly Finding[]) =>
  findings
    .map(({ namespace, memoryId, store, kind, expectedVersion, foundVersion }) =>
      JSON.stringify({ namespace, memoryId, store, kind, expectedVersion, foundVersion }),
    )
    .sort();

describe.each(KEPT)("the stores of the version at migration %s", (number) => {
  test("are read, searched and checked by this program as by their own", async (t) => {
    const stores = await loadOldStores(t, number);
    const memories = await liveMemories(stores);
    expect(memories.length).toBeGreaterThan(40);
    const sync = await open(stores);
    const { findings } = await sync.checkConsistency({ scope: "deep", resume: false });
    expect(inOrder(findings)).toEqual(inOrder(readData<Finding[]>(`findings-${number}.json`)));
    const drifted = new Set(findings.map(({ namespace, memoryId }) => `${namespace}/${memoryId}`));
    for (const { namespace, memoryId, version, checksum, embedding } of memories) {
      const name = `${namespace}/${memoryId}`;
      const found = await sync.get(memoryId, { namespace });
      if (!drifted.has(name)) expect([name, found?.version, found?.checksum]).toEqual([name, version, checksum]);
      if (embedding === null) continue;
      // Some memories have one embedding in common, so the first hit may be another one.
      const hits = await sync.search(floats(embedding), { namespace, k: 20 });
      expect(hits.map((hit) => hit.memory.memoryId)).toContain(memoryId);
    }
  });

  test("agree after this program has drained the backlog and repaired what was wrong, and take its writes", async (t) => {
    const stores = await loadOldStores(t, number);
    const memories = await liveMemories(stores);
    const sync = await open(stores);
    await sync.backlog.retry();
    await sync.backlog.drain();
    const report = await sync.checkConsistency({ scope: "deep", resume: false });
    const repaired = await sync.repairInconsistencies(report, { strategy: "latest_wins" });
    expect(repaired).toMatchObject({ failed: 0, deferred: 0 });
    for (const [index, { namespace, memoryId, version, checksum }] of memories.entries()) {
      const found = await sync.get(memoryId, { namespace });
      expect([memoryId, found?.version, found?.checksum]).toEqual([memoryId, version, checksum]);
      if (index % 4 > 0) continue;
      const written = await sync.syncMemory(memoryId, { namespace, content: "after", memoryType: "semantic" });
      expect(written).toMatchObject({ status: "synced", version: version + 1 });
    }
    const again = await sync.checkConsistency({ scope: "deep", resume: false });
    expect(again).toMatchObject({ clean: true, findings: [] });
  });

  test("stay what they are, byte for byte, when that version meets them after their migration", async (t) => {
    const stores = await loadOldStores(t, number);
    await (await MemorySynchronizer.connect(optionsOf(stores))).close();
    await expectRefusal(t, stores, Number(number));
  });

  test("can be moved by that version's export", async (t) => {
    const file = new URL(`../data/export-${number}.jsonl`, import.meta.url);
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    const records = lines.map((line) => JSON.parse(line) as ExportedLine).filter(({ type }) => type === "memory");
    const stores = await emptyStores(t);
    const sync = await open(stores);
    const report = await sync.importMemories(createReadStream(file));
    expect(report).toMatchObject({ read: lines.length, synced: records.length, rejected: 0, errors: [] });
    for (const { namespace, memoryId, checksum } of records) {
      const [newest] = await sync.history(memoryId, { namespace });
      expect([memoryId, newest?.checksum]).toEqual([memoryId, checksum]);
    }
    expect(await sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });
});

test("the version before this one refuses stores that this one has migrated, and changes nothing in any of them", async (t) => {
  const newest = await newestMigration();
  const stores = await emptyStores(t);
  const sync = await MemorySynchronizer.connect(optionsOf(stores));
  for (let number = 0; number < 20; number++) {
    const embedding = Array.from({ length: 8 }, (_, position) => Math.sin(number * 7 + position * 3));
    await sync.syncMemory(`m${number}`, { content: `memory ${number}`, memoryType: "episodic", embedding });
  }
  await sync.delete("m3");
  await sync.close();
  const before = readdirSync(packageFile("sql")).map((name) => Number(name.slice(0, 4)));
  await expectRefusal(t, stores, Math.max(...before.filter((number) => number < newest)));
});

/** Opens the stores with a program that knows migrations up to `known`. */
async function expectRefusal(t: TestContext, stores: ThreeStores, known: number): Promise<void> {
  const newest = await newestMigration();
  const state = async () => ({
    tables: await readTables(stores.sql),
    redis: await stores.redisEntries(),
    index: stores.indexFiles(),
  });
  const before = await state();
  expect([before.tables.size, before.redis.size, before.index.size].every((count) => count > 0)).toBe(true);
  const folder = join(temporary, `sql-${known}`);
  mkdirSync(folder, { recursive: true });
  const names = readdirSync(packageFile("sql")).filter((name) => Number(name.slice(0, 4)) <= known);
  for (const name of names) copyFileSync(packageFile("sql", name), join(folder, name));
  t.onTestFinished(() => {
    older.folder = null;
  });
  older.folder = folder;
  const opening = MemorySynchronizer.connect(optionsOf(stores));
  await expect(opening).rejects.toBeInstanceOf(SchemaTooNewError);
  await expect(opening).rejects.toThrow(
    `the database is at migration ${newest} and this program knows ${known}: use the newer program`,
  );
  older.folder = null;
  expect(await state()).toEqual(before);
}
