import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { pollUntil } from "../../src/dev/wait.ts";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { canonicalJson, checksumOf, createLog, type ExportRecord, MemorySynchronizer } from "../../src/index.ts";
import { ErasureLedger } from "../../src/ledger/erasure-ledger.ts";
import { newUlid } from "../../src/runtime/ulid.ts";
import { filesIn, findTraces, holdsVector } from "../support/erasure-traces.ts";
import { unitVector } from "../support/memories.ts";
import { openWorld, type World } from "../support/world.ts";

/**
 * Goal: what was erased is nowhere any more. Method: put words of their own into every place that keeps content, make sure
 * that a search of the stores' bytes finds them there, erase, and search again.
 */

vi.setConfig({ testTimeout: 300_000 });

const WORDS = {
  content: "zanzibarite",
  before: "quokkaberry",
  metadata: "wolframella",
  redis: "nimbusfrost",
  imported: "tarragonix",
  error: "ossifragex",
  letter: "pomegranita",
  service: "saskatoonix",
  stays: "remainderly",
};

/** Fills every place that may keep what a memory says. */
async function spreadWords(world: World): Promise<void> {
  const { sync, sql } = world;
  const embedding = unitVector(77, world.dimension);
  await sync.syncMemory(
    "gone",
    { memoryType: "episodic", content: `once ${WORDS.before}`, embedding },
    { idempotencyKey: "first" },
  );
  await sync.syncMemory("gone", {
    memoryType: "episodic",
    content: `now ${WORDS.content}`,
    metadata: { note: WORDS.metadata },
    embedding,
  });
  await sync.syncMemory("stays", {
    memoryType: "episodic",
    content: WORDS.stays,
    embedding: unitVector(3, world.dimension),
  });
  // A hand edit in Redis becomes evidence of a repair.
  const key = world.redisKey("gone");
  const data = (await world.redis.hget(key, "data")) as string;
  await world.redis.hset(key, "data", data.replace(WORDS.content, WORDS.redis));
  const report = await sync.checkConsistency({ scope: "deep" });
  expect(report.findings.map(({ memoryId, kind }) => [memoryId, kind])).toEqual([["gone", "corrupt"]]);
  await sync.repairInconsistencies(report);
  // An import that awaits a decision.
  const document = {
    ...{ content: WORDS.imported, memoryType: "episodic", importance: 0.5, metadata: {} },
    privacy: "full" as const,
  };
  const record = {
    ...{ type: "memory", namespace: "default", memoryId: "gone", version: 9, modifiedAt: "2026-01-01T00:00:00.000Z" },
    ...{
      versionVector: { elsewhere: 9 },
      checksum: checksumOf(canonicalJson(document), null),
      document,
      embedding: null,
    },
  } as ExportRecord;
  const header = { mnemosync: 2, namespace: null, history: false, localOnly: false } as const;
  const records = [header, record, { mnemosync: 2, end: true } as const];
  const imported = await sync.importMemories(records, { onConflict: "strategy", strategy: "manual" });
  expect(imported).toMatchObject({ deferred: 1 });
  const quote = `refused: ${WORDS.error}`;
  await sql`insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, attempts, last_error, dead_at)
            values ('redis', '', 'default', 'gone', 9, ${quote}, clock_timestamp())`;
  await sql`insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions, reason)
            values (${newUlid()}, 'rolled_back', 'n', '{default,default}', '{stays,gone}', '{0,0}', ${quote})`;
  await sql`insert into mnemosync.check_findings (scope, node_id, namespace, memory_id, store, kind, evidence)
            values ('full', 'n', 'default', 'gone', 'redis', 'corrupt', ${quote})`;
  // What another service's item says that could not be stored, and what a service said of a text that it could not process.
  await sql`insert into mnemosync.connector_dead_letters (connector, item_id, namespace, memory_id, code, reason, at, payload)
            values ('space', 'gone', 'default', 'gone', 'VALIDATION', ${quote}, clock_timestamp(), ${`{"content":"${WORDS.letter}"}`}),
                   ('space', 'stays', 'default', 'stays', 'VALIDATION', 'too large', clock_timestamp(), '{"content":"of stays"}')`;
  await sql`insert into mnemosync.connector_states (connector) values ('graph')`;
  await sql`insert into mnemosync.connector_records
              (connector, namespace, memory_id, version, wanted, ends, state, old, doomed, is_doomed, reason, seen_in)
            values ('graph', 'default', 'gone', 1, 1, false, 'failed', '[]', '[]', false, ${`no: ${WORDS.service}`}, 'r1')`;
  const finding = { namespace: "default", memoryId: "gone", store: "redis", kind: "corrupt", evidence: quote };
  const other = { ...finding, memoryId: "stays", evidence: "of another memory" };
  await sql`insert into mnemosync.jobs (id, kind, state, input, resumable, result, error, ended_at) values
    (${newUlid()}, 'check', 'done', '{}', false, ${JSON.stringify({ findings: [finding, other] })}::text::json, null, clock_timestamp()),
    (${newUlid()}, 'check', 'failed', '{}', false, null, ${JSON.stringify({ code: "INTERNAL", message: quote })}::text::json, clock_timestamp())`;
}

test("an erased memory is in no dump, no file of a table, no dump of Redis, no index folder and no log", async (t) => {
  const lines: string[] = [];
  const log = createLog("debug", { write: (line) => void lines.push(String(line)) });
  const world = await openWorld(t, { ownRedis: true, settings: { log } });
  await spreadWords(world);
  await world.restart(); // Its close saves the index.
  const snapshots = join(world.directory, "snapshots");
  await cp(join(snapshots, "00000001"), join(snapshots, "00000000.unreadable"), { recursive: true });
  const checksums = await world.sql<{ checksum: string }[]>`
    select checksum from mnemosync.memory_history where memory_id = 'gone' and checksum is not null
    union select checksum from mnemosync.memory_versions where memory_id = 'gone'`;
  const { stays, ...gone } = WORDS;
  const words = [...Object.values(gone), ...checksums.map(({ checksum }) => checksum)];
  const wanted = { words, vector: unitVector(77, world.dimension) };
  const before = await findTraces(world, wanted, []);
  for (const place of ["a table's file", "the dump of Redis", "the index folder"]) {
    expect(before.filter((trace) => trace.startsWith(place))).not.toEqual([]);
  }
  const tables = before.map((trace) => /^dump of (\w+): /.exec(trace)?.[1]).filter((name) => name !== undefined);
  expect([...new Set(tables)]).toEqual(
    expect.arrayContaining([
      "check_findings",
      "conflict_resolutions",
      "connector_dead_letters",
      "connector_records",
      "idempotency_keys",
      "jobs",
      "sync_queue",
      "sync_transactions",
    ]),
  );

  const receipt = await world.sync.erase("gone", { actor: "an operator", reason: "ticket 7" });
  expect(receipt).toMatchObject({
    ...{ kind: "memory", namespace: "default", memoryId: "gone", state: "complete", memories: 1, erased: 1 },
    ...{ actor: "an operator", reason: "ticket 7", awaiting: [] },
    stores: [
      { store: "faiss", nodeId: world.sync.nodeId, memories: 1, removed: 0 },
      { store: "redis", nodeId: null, memories: 1, removed: 0 },
    ],
  });
  expect(Object.values(receipt.ledger ?? { none: 1 })).toEqual(Object.values(receipt.ledger ?? {}).map(() => 0));
  expect(receipt.ledger).toMatchObject({ connectors: 0 });
  expect(await findTraces(world, wanted, lines)).toEqual([]);
  // The other memory, and what is said of it, stays.
  expect(await world.sync.get("stays")).toMatchObject({ content: stays });
  expect(await world.sql`select item_id from mnemosync.connector_dead_letters`).toEqual([{ item_id: "stays" }]);
  const [check] = await world.sql<
    { result: string }[]
  >`select result::text from mnemosync.jobs where kind = 'check' and state = 'done'`;
  expect(check?.result).toContain("of another memory");
  expect(await world.sync.get("gone")).toBeNull();
  expect(await world.sync.history("gone")).toMatchObject([{ version: 3, document: null }]);
  expect(await world.sync.search(unitVector(77, world.dimension), { k: 5 })).toMatchObject([
    { memory: { memoryId: "stays" } },
  ]);
  expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  // Neither does a restart bring it back.
  await world.restart();
  expect(await findTraces(world, wanted, lines)).toEqual([]);
});

test("the proof looks into what connectors keep, and a namespace's erasure takes items that never became memories", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const letter = (memoryId: string) => world.sql`
    insert into mnemosync.connector_dead_letters (connector, item_id, namespace, memory_id, code, reason, at, payload)
    values ('space', ${memoryId}, 'default', ${memoryId}, 'VALIDATION', 'too large', clock_timestamp(), '{}')`;
  await letter("never-stored");
  await world.fill(1);
  const receipt = await world.sync.eraseNamespace("default");
  expect(receipt).toMatchObject({ memories: 2, erased: 2, ledger: { connectors: 0 } });
  expect(await world.sql`select item_id from mnemosync.connector_dead_letters`).toEqual([]);
  await expect(world.put(world.memory(0, { memoryId: "never-stored" }))).rejects.toMatchObject({ code: "ERASED" });
  // From work that had read the item before it was erased.
  await letter("never-stored");
  const pool = new PostgresPool(world.databaseUrl, { max: 1 });
  t.onTestFinished(() => pool.close());
  expect(
    await new ErasureLedger(pool, 10_000).countContentLeft(receipt.id, new AbortController().signal),
  ).toMatchObject({
    ...{ connectors: 1, bodies: 0 },
  });
});

test("an index of another node confirms once it is back, and its old snapshots are gone", async (t) => {
  const world = await openWorld(t, { ownRedis: true });
  const directory = await mkdtemp(join(tmpdir(), "mnemosync-second-"));
  t.onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const options = { ...world.connectOptions, faiss: { directory, dimension: world.dimension } };
  const embedding = unitVector(78, world.dimension);
  await world.sync.syncMemory("gone", { content: WORDS.content, memoryType: "episodic", embedding });
  await world.fill(2);
  const second = await MemorySynchronizer.connect(options); // Fills its index, and saves it when it closes.
  const { nodeId } = second;
  await second.close();
  const holds = async (): Promise<boolean> => {
    const bytes = await Promise.all((await filesIn(directory)).map((file) => readFile(file)));
    return bytes.some((each) => holdsVector(each, embedding));
  };
  expect(await holds()).toBe(true);

  const receipt = await world.sync.erase("gone");
  expect(receipt).toMatchObject({
    state: "awaiting_stores",
    completedAt: null,
    awaiting: [{ store: "faiss", nodeId }],
  });
  expect(await holds()).toBe(true);
  const back = await MemorySynchronizer.connect(options);
  t.onTestFinished(() => back.close());
  back.start();
  const state = async () => (await world.sync.erasures.get(receipt.id)).state;
  await pollUntil("the second node's word", 60_000, async () => (await state()) === "complete");
  expect(await holds()).toBe(false);
  await back.close();
  expect(await holds()).toBe(false);
});
