/**
 * Question: what does a check cost beside the floor, the slowest store's own scan, and how does it grow?
 *
 *     node --expose-gc --import tsx bench/check-scale.ts [--sizes 10000,100000,1000000] [--rounds 3]
 *
 * Floors are what each store takes alone to say what it holds: Redis one Lua call per SCAN page of 2,000 keys that
 * returns version and checksum, Postgres the aggregate over its narrow table, FAISS its host's own digest. Rounds
 * alternate between floors and checks; medians are quoted. Every check's result is compared with what must come out.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import postgres from "postgres";
import { openServices } from "../src/embedded/services.ts";
import { type ConsistencyReport, createLog, MemorySynchronizer } from "../src/index.ts";
import { type Cost, measured, median } from "./support/measure.ts";
import { loadSynthetic } from "./support/synthetic.ts";

const { values } = parseArgs({ options: { sizes: { type: "string" }, rounds: { type: "string" } } });
const sizes = (values.sizes ?? "10000,100000,1000000").split(",").map(Number);
const rounds = Number(values.rounds ?? 3);
const PREFIX = "bench";
/** Numbers per vector: the check's cost does not depend on it, and a million of them has to fit. */
const DIMENSION = 8;
const DRIFTED = 100;
const CHANGED = 1_000;

const FLOOR_SCAN = `
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 2000)
local answers = {}
for index, key in ipairs(page[2]) do answers[index] = redis.call('HMGET', key, 'version', 'checksum') end
return { page[1], page[2], answers }`;

async function scanRedis(redis: Redis): Promise<number> {
  let seen = 0;
  let cursor = "0";
  do {
    const [next, keys] = (await redis.eval(FLOOR_SCAN, 0, cursor, `${PREFIX}:memory:*`)) as [string, string[]];
    seen += keys.length;
    cursor = next;
  } while (cursor !== "0");
  return seen;
}

async function scanPostgres(sql: postgres.Sql): Promise<number> {
  const rows = await sql`
    select bucket, count(*)::int as count, bit_xor(digest), sum(digest)
    from mnemosync.memory_versions where digest is not null group by bucket`;
  return rows.reduce((sum, row) => sum + Number(row.count), 0);
}

function assertEqual(found: unknown, expected: unknown, what: string): void {
  if (found !== expected) throw new Error(`${what}: found ${String(found)}, expected ${String(expected)}`);
}

const services = await openServices({ log: console.error });
const directory = await mkdtemp(join(tmpdir(), "mnemosync-bench-"));
const sql = postgres(services.postgresUrl, { max: 2, onnotice: () => undefined });
const redis = new Redis(services.redisUrl);
const options = {
  postgresUrl: services.postgresUrl,
  redisUrl: services.redisUrl,
  redisPrefix: PREFIX,
  faiss: { directory, dimension: DIMENSION },
  log: createLog("error"),
};
let sync = await MemorySynchronizer.connect(options);
const rows: Record<string, string | number>[] = [];
try {
  let loaded = 0;
  for (const size of sizes) {
    const loading = performance.now();
    await loadSynthetic(sql, services.redisUrl, PREFIX, { dimension: DIMENSION, from: loaded, to: size });
    loaded = size;
    await sync.close();
    sync = await MemorySynchronizer.connect(options); // Its index takes over what is new.
    console.error(`${size} memories loaded in ${((performance.now() - loading) / 1_000).toFixed(0)} s`);
    const floors = { redis: [] as number[], postgres: [] as number[] };
    const full: Cost<ConsistencyReport>[] = [];
    assertEqual((await sync.checkConsistency()).clean, true, "warm-up: clean");
    for (let round = 0; round < rounds; round++) {
      const ofRedis = await measured(() => scanRedis(redis));
      assertEqual(ofRedis.result >= size, true, "keys that Redis lists");
      floors.redis.push(ofRedis.ms);
      const ofPostgres = await measured(() => scanPostgres(sql));
      assertEqual(ofPostgres.result, size, "rows that Postgres aggregates");
      floors.postgres.push(ofPostgres.ms);
      const check = await measured(() => sync.checkConsistency());
      assertEqual(check.result.clean, true, "full check: clean");
      assertEqual(check.result.checked, size, "full check: memories");
      full.push(check);
    }
    const drifted = Array.from({ length: DRIFTED }, (_, at) => `${PREFIX}:memory:default:memory-${at * 7}`);
    for (const key of drifted) await redis.hset(key, "checksum", "0".repeat(64));
    const found = await measured(() => sync.checkConsistency());
    assertEqual(found.result.findings.length, DRIFTED, "full check: findings");
    const repair = await sync.repairInconsistencies(found.result);
    assertEqual(repair.repaired, DRIFTED, "repaired");
    const firstQuick = await measured(() => sync.checkConsistency({ scope: "quick" }));
    const ids = Array.from({ length: CHANGED }, (_, at) => at * 3);
    const written = await sync.syncBatch(
      ids.map((id) => ({ memoryId: `memory-${id}`, content: `changed ${size}`, memoryType: "episodic" })),
    );
    assertEqual(
      written.every(({ status }) => status === "synced"),
      true,
      "changes written",
    );
    const quick = await measured(() => sync.checkConsistency({ scope: "quick" }));
    assertEqual(quick.result.clean, true, "quick check: clean");
    assertEqual(quick.result.checked, CHANGED, "quick check: memories");
    const slowest = Math.max(median(floors.redis), median(floors.postgres));
    const fullMs = median(full.map(({ ms }) => ms));
    rows.push({
      memories: size,
      "Redis scan s": (median(floors.redis) / 1_000).toFixed(2),
      "Postgres aggregate s": (median(floors.postgres) / 1_000).toFixed(2),
      "full check s": (fullMs / 1_000).toFixed(2),
      "check / slowest": (fullMs / slowest).toFixed(2),
      [`full with ${DRIFTED} drifted s`]: (found.ms / 1_000).toFixed(2),
      [`quick, ${CHANGED} changes s`]: (quick.ms / 1_000).toFixed(2),
      "first quick s": (firstQuick.ms / 1_000).toFixed(2),
      "loop p99 ms": Math.max(...full.map(({ loopP99Ms }) => loopP99Ms)).toFixed(1),
      "loop max ms": Math.max(...full.map(({ loopMaxMs }) => loopMaxMs)).toFixed(1),
      "RSS growth MiB": Math.max(...full.map(({ rssGrowthMiB }) => rssGrowthMiB)).toFixed(0),
    });
    console.table(rows.at(-1));
  }
  console.table(rows);
} finally {
  await sync.close();
  redis.disconnect();
  await sql.end({ timeout: 1 });
  await services.close();
  await rm(directory, { recursive: true, force: true });
}
