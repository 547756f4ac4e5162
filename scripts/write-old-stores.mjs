#!/usr/bin/env node
/**
 * Writes the three stores with an older version of this program and keeps them as text, for the tests of migrations and of
 * versions beside each other:
 *
 *     git archive cd7eee7 | tar -x -C <folder>         # the version before the set of stores was open (migration 0008)
 *     (cd <folder> && node scripts/setup.mjs)
 *     node scripts/write-old-stores.mjs <folder> test/data
 *
 * It makes `ledger-0008.sql`, `redis-0008.json`, `index-0008.json`, `export-0008.jsonl` and `findings-0008.json` (what the
 * older program itself finds wrong in these stores). They belong together and are frozen: tests load them, migrate and
 * compare. Write new ones only for a newer version of the schema, under its number.
 *
 * The ledger holds 60 memories in two namespaces, with: several versions, more than the history keeps;
 * tombstones, one of them written again; expired memories, one swept and one not; every privacy; rolled back and
 * unpublished transactions, the latter from a process that was killed between commit and publish, with its leases; queue
 * rows for Redis and for FAISS, retried ones and dead letters; pending, resolved and imported conflicts; checks with
 * progress and findings; and answers under idempotency keys.
 */
import { isUtf8 } from "node:buffer";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

const [old = "", targetOrStep = "", postgresUrl = "", redisUrl = "", directory = "", folderOfStep = ""] =
  process.argv.slice(2);
const target = folderOfStep || targetOrStep;
const load = (/** @type {string} */ module) => import(pathToFileURL(resolve(old, "dist", module)).href);
const DIMENSION = 8;
const NODE = "node-a";
const PREFIX = "old";

const vector = (/** @type {number} */ number) =>
  Array.from({ length: DIMENSION }, (_, position) => Math.fround(Math.sin(number * 7 + position * 3)));

function memory(/** @type {number} */ number, fields = {}) {
  return {
    memoryId: `memory-${String(number).padStart(2, "0")}`,
    namespace: number % 3 === 0 ? "team.b" : "default",
    content: `Memory ${number}: “quotes”, ünïcode 記憶 🧠, and\nanother line`,
    memoryType: ["episodic", "semantic", "working"][number % 3],
    importance: (number % 11) / 10,
    metadata: { number, tags: [`t${number % 4}`, null, true], nested: { "a b": 0.1 * number } },
    privacy: ["full", "redacted", "local_only"][number % 3],
    ...(number % 2 === 0 && { embedding: vector(number), embeddingModel: "model-1" }),
    ...(number % 13 === 0 && { expiresAt: "2999-01-01T00:00:00.000Z" }),
    ...fields,
  };
}

const settings = (/** @type {string} */ postgres, /** @type {string} */ redis) => ({
  postgresUrl: postgres,
  redisUrl: redis,
  redisPrefix: PREFIX,
  nodeId: NODE,
  faiss: { directory, dimension: DIMENSION, model: "model-1" },
});

/** Ends this process where the transaction is committed and published nowhere. Its lease stays behind. */
async function crash() {
  const { MemorySynchronizer } = await load("index.js");
  const sync = await MemorySynchronizer.connect({
    ...settings(postgresUrl, redisUrl),
    onStep: (/** @type {string} */ step) => void (step === "committed" && process.kill(process.pid, "SIGKILL")),
  });
  sync.start();
  while ((await sync.status()).stores.postgres.state !== "healthy") await pause(20);
  await pause(500); // The checker's lease is taken by a loop.
  await sync.syncBatch([memory(50), memory(51), memory(52), memory(3, { content: "changed, then killed" })]);
}

/** The driver that the old program uses. */
async function connectTo(/** @type {string} */ url) {
  const { default: postgres } = await import(
    pathToFileURL(join(resolve(old), "node_modules/postgres/src/index.js")).href
  );
  return postgres(url, { max: 8, onnotice: () => undefined });
}

/** Number of the newest migration that the old program knows: the files are named after it. */
const newestMigration = () => readdirSync(join(old, "sql")).sort().at(-1)?.slice(0, 4) ?? "";

function keep(/** @type {string} */ name, /** @type {string} */ text) {
  const file = join(target, name.replace("#", newestMigration()));
  writeFileSync(file, text);
  console.log(`${file}: ${Math.round(text.length / 1_024)} KiB`);
}

const jsonText = (/** @type {unknown} */ value) => `${JSON.stringify(value, null, 1)}\n`;
/** Readable where it is text. */
const encoded = (/** @type {Buffer} */ bytes) =>
  isUtf8(bytes) ? { text: bytes.toString() } : { base64: bytes.toString("base64") };

/** The old migrations, then each row as it is: a plain SQL file, which any server from 14 on takes in one query. */
async function dumpLedger(/** @type {string} */ url) {
  const sql = await connectTo(url);
  const folder = join(old, "sql");
  const migrations = readdirSync(folder).sort();
  const { version } = JSON.parse(readFileSync(join(old, "package.json"), "utf8"));
  const parts = [
    `-- A ledger written by mnemosync ${version} at migration ${newestMigration()}. Made by scripts/write-old-stores.mjs, not to be edited.`,
    "create schema mnemosync;",
    "create table mnemosync.schema_migrations (number integer not null, name text not null, sha256 text not null,",
    "    applied_at timestamptz not null default clock_timestamp(), constraint schema_migrations_pkey primary key (number));",
    ...migrations.flatMap((name) => [`-- sql/${name}`, readFileSync(join(folder, name), "utf8").trim()]),
    "delete from mnemosync.sync_meta;",
  ];
  const tables = await sql`
    select table_name as name, array_agg(column_name::text order by ordinal_position) as columns
    from information_schema.columns join information_schema.tables t using (table_schema, table_name)
    where table_schema = 'mnemosync' and t.table_type = 'BASE TABLE' group by 1 order by 1`;
  for (const { name, columns } of tables) {
    const values = columns.map((/** @type {string} */ column) => `quote_nullable(${column}::text)`).join(", ");
    const rows = await sql.unsafe(`select concat_ws(', ', ${values}) as row from mnemosync.${name} order by 1`);
    if (rows.length === 0) throw new Error(`nothing was written to ${name}`);
    parts.push(`insert into mnemosync.${name} (${columns.join(", ")}) overriding system value values`);
    parts.push(`${rows.map(({ row }) => `(${row})`).join(",\n")};`);
  }
  for (const { name, last } of await sql`
    select sequencename as name, last_value as last from pg_sequences where schemaname = 'mnemosync' and last_value > 0`) {
    parts.push(`select pg_catalog.setval('mnemosync.${name}', ${last});`);
  }
  await sql.end();
  keep("ledger-#.sql", `${parts.join("\n")}\n`);
}

/** Each entry by its key without the prefix. Hashes and strings are all that the old program writes. */
async function dumpRedis(/** @type {string} */ url) {
  const { Redis } = await import(pathToFileURL(resolve(old, "node_modules", "ioredis", "built", "index.js")).href);
  const redis = new Redis(url);
  /** @type {Record<string, object>} */
  const entries = {};
  for (const key of (await redis.keys(`${PREFIX}:*`)).sort()) {
    const type = await redis.type(key);
    const ttlMs = await redis.pttl(key); // -1: none.
    const name = key.slice(PREFIX.length + 1);
    if (type === "string") entries[name] = { ttlMs, string: encoded(await redis.getBuffer(key)) };
    else if (type === "hash") {
      const fields = Object.entries(await redis.hgetallBuffer(key)).map(([field, value]) => [field, encoded(value)]);
      entries[name] = { ttlMs, hash: Object.fromEntries(fields) };
    } else throw new Error(`${key} is a ${type}, which this script does not keep`);
  }
  redis.disconnect();
  keep("redis-#.json", jsonText(entries));
}

/** Each file of the closed index folder by its path. */
function dumpIndex(/** @type {string} */ folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => [file.slice(folder.length + 1), encoded(readFileSync(file))]);
  keep("index-#.json", jsonText(Object.fromEntries(files)));
}

async function main() {
  const { openServices } = await load("embedded/services.js");
  const services = await openServices({ environment: {} });
  const folder = mkdtempSync(join(tmpdir(), "mnemosync-old-"));
  try {
    const index = join(folder, "index");
    const self = fileURLToPath(import.meta.url);
    const step = async (/** @type {string} */ name, indexFolder = index) => {
      const args = [self, old, name, services.postgresUrl, services.redisUrl, indexFolder, target];
      const child = spawn(process.execPath, args, { stdio: "inherit" });
      const [code, signal] = await once(child, "exit");
      if (code !== 0 && !(name === "--crash" && signal === "SIGKILL")) throw new Error(`${name} ended with ${code}`);
    };
    await step("--fill");
    await step("--crash");
    await step("--leave");
    await dumpLedger(services.postgresUrl);
    await dumpRedis(services.redisUrl);
    dumpIndex(index);
    // What the old program says of these stores. It writes its progress while it looks: therefore after the dumps.
    cpSync(index, `${index}-copy`, { recursive: true });
    await step("--look", `${index}-copy`);
  } finally {
    await services.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function fill() {
  const { canonicalJson, checksumOf, exportLine, MemorySynchronizer } = await load("index.js");
  const { Redis } = await import(pathToFileURL(resolve(old, "node_modules", "ioredis", "built", "index.js")).href);
  const sync = await MemorySynchronizer.connect({ ...settings(postgresUrl, redisUrl), syncIntervalMs: 50 });
  await sync.syncBatch(Array.from({ length: 50 }, (_, number) => memory(number)));
  // Several versions; memory 4 has more than the history keeps (10).
  for (let round = 1; round <= 14; round++) {
    await sync.syncBatch(
      [4, ...(round < 4 ? [5, 6, 7, 8] : [])].map((number) => memory(number, { metadata: { round } })),
    );
  }
  await sync.rollback("memory-05", 2);
  for (const number of [10, 11, 12, 14]) {
    await sync.delete(memory(number).memoryId, { namespace: memory(number).namespace });
  }
  await sync.syncBatch([memory(14, { content: "written again after a deletion" })]);
  // Under keys, with and without a repeat.
  const { memoryId, ...fields } = memory(53);
  await sync.syncMemory(memoryId, fields, { idempotencyKey: "01KB000000000000000000KEY1" });
  await sync.syncBatch([memory(54), memory(55)], { idempotencyKey: "01KB000000000000000000KEY2" });
  // Swept: its tombstone is in the ledger.
  await sync.syncBatch([memory(56, { expiresAt: new Date(Date.now() + 300).toISOString() })]);
  sync.start();
  while ((await sync.history("memory-56"))[0]?.checksum !== null) await pause(50);
  await sync.close();

  const again = await MemorySynchronizer.connect(settings(postgresUrl, redisUrl));
  // Conflicts: entries written without the program. One is resolved, one is pending, one comes from an import.
  const redis = new Redis(redisUrl);
  await redis.hset("old:memory:default:memory-20", "version", "9");
  await again.repairInconsistencies(await again.checkConsistency({ scope: "deep" }), { strategy: "latest_wins" });
  await redis.hset("old:memory:default:memory-22", "version", "7");
  await redis.hset("old:memory:default:memory-23", "checksum", "0".repeat(64));
  await again.repairInconsistencies(await again.checkConsistency({ scope: "full" }), { strategy: "manual" });
  const records = [];
  for await (const record of again.exportMemories({ namespace: "default" })) {
    if (record.memoryId === "memory-25" || record.mnemosync) records.push(record);
  }
  const changed = records.map((record) =>
    record.memoryId
      ? { ...record, vector: { elsewhere: 5 }, document: { ...record.document, content: "imported" } }
      : record,
  );
  for (const record of changed) if (record.memoryId) record.checksum = checksumOf(canonicalJson(record.document), null);
  const report = await again.importMemories(
    (async function* () {
      for (const record of changed) yield Buffer.from(exportLine(record));
    })(),
    { onConflict: "strategy", strategy: "manual" },
  );
  if (report.deferred !== 1) throw new Error(`the import deferred nothing: ${JSON.stringify(report)}`);
  // Findings and progress stay as the last check of each scope left them.
  await redis.del("old:memory:default:memory-26");
  await again.checkConsistency({ scope: "deep" });
  await again.checkConsistency({ scope: "quick" });
  redis.disconnect();
  await again.close();
}

/** Queue rows of both stores, dead letters, and a write that was rolled back. */
async function leave() {
  const { MemorySynchronizer, StoreRefusedError, StoreUnavailableError, openVectorIndex } = await load("index.js");
  const { Redis } = await import(pathToFileURL(resolve(old, "node_modules", "ioredis", "built", "index.js")).href);
  const sql = await connectTo(postgresUrl);
  const { nodeId, faiss, redisPrefix } = settings(postgresUrl, redisUrl);
  const index = await openVectorIndex({ sql, faiss });
  const redis = new Redis(redisUrl);
  /** @type {Error | null} */
  let failure = null;
  const fragile = new Proxy(index, {
    get(target, name) {
      if (name === "publish" && failure !== null) return () => Promise.reject(failure);
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const options = { redisPrefix, nodeId, faiss };
  const sync = new MemorySynchronizer({ redis, sql, vectorIndex: fragile, options });
  await sync.initialize();
  // Expired, and not swept since nothing runs in the background.
  await sync.syncBatch([memory(57, { expiresAt: new Date(Date.now() + 300).toISOString() })]);
  failure = new StoreRefusedError("faiss", "refused by the test");
  await sync.syncBatch([memory(58)]);
  failure = new StoreUnavailableError("faiss", "away by the test");
  await sync.syncBatch([memory(30, { content: "not in FAISS yet" })]);
  failure = null;
  await sync.close();
  // No Redis at that address: queue rows of Redis, and refusals that roll back.
  for (const onStoreDown of ["degrade", "reject"]) {
    const gone = new Redis({ host: "127.0.0.1", port: 1, lazyConnect: true, retryStrategy: () => 100 });
    gone.on("error", () => undefined);
    const without = new MemorySynchronizer({
      redis: gone,
      sql,
      vectorIndex: index,
      options: { ...options, onStoreDown },
    });
    const content = onStoreDown === "degrade" ? "not in Redis yet" : "refused";
    const outcomes = await without.syncBatch([memory(31, { content }), memory(59, { content })]);
    const wanted = onStoreDown === "degrade" ? "degraded" : "failed";
    if (outcomes.some(({ status }) => status !== wanted)) throw new Error(`${onStoreDown}: ${outcomes[0].status}`);
    await without.close();
    gone.disconnect();
  }
  // Dead letters, as an operator finds them after a store refused them for long.
  await sql`update mnemosync.sync_queue set dead_at = clock_timestamp(), attempts = 10, last_error = 'refused'
            where memory_id in ('memory-58', 'memory-59')`;
  // A claim of a worker that is gone.
  await sql`update mnemosync.sync_queue set claimed_by = 'gone', claimed_until = clock_timestamp(), attempts = 1
            where store = 'redis' and memory_id = 'memory-31'`;
  // A check that was cut short.
  await sql`update mnemosync.check_progress set finished_at = null,
            position = '{"stage": "ledger", "after": {"namespace": "default", "memoryId": "memory-20", "bucket": 0}}'
            where scope = 'full'`;
  await index.close({ snapshot: true });
  redis.disconnect();
  await sql.end();
}

/** What the old program finds wrong, and exports. */
async function look() {
  const { exportLine, MemorySynchronizer } = await load("index.js");
  // The crash was longer ago than that: no transaction counts as on its way, however soon after the writes this runs.
  const sync = await MemorySynchronizer.connect({ ...settings(postgresUrl, redisUrl), publishDeadlineMs: 100 });
  const { findings } = await sync.checkConsistency({ scope: "deep", resume: false });
  keep("findings-#.json", jsonText(findings.map(({ evidence, ...finding }) => finding)));
  const lines = [];
  for await (const record of sync.exportMemories()) lines.push(exportLine(record));
  keep("export-#.jsonl", lines.join(""));
  await sync.close();
}

const steps = { "--fill": fill, "--crash": crash, "--leave": leave, "--look": look };
await (steps[/** @type {keyof typeof steps} */ (targetOrStep)] ?? main)();
