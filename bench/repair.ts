/**
 * Question: how fast is a repair beside writing as many memories anew?
 *
 *     node --expose-gc --import tsx bench/repair.ts [--memories 200000] [--drifted 10000] [--dimension 384] [--rounds 3]
 *
 * In each round: `syncBatch` of as many changed memories as will drift (chunks of 500, four at a time), then the same
 * number removed from Redis behind the program's back, found by a full check, and repaired; then the same with entries
 * that are there and wrong, whose bytes are kept as evidence. Every result is checked, and the stores are clean at the end.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import postgres from "postgres";
import { openServices } from "../src/embedded/services.ts";
import { createLog, MemorySynchronizer } from "../src/index.ts";
import { measured, median } from "./support/measure.ts";
import { loadSynthetic, syntheticVector } from "./support/synthetic.ts";

const { values } = parseArgs({
  options: {
    memories: { type: "string", default: "200000" },
    drifted: { type: "string", default: "10000" },
    dimension: { type: "string", default: "384" },
    rounds: { type: "string", default: "3" },
  },
});
const memories = Number(values.memories);
const drifted = Number(values.drifted);
const dimension = Number(values.dimension);
const rounds = Number(values.rounds);
const PREFIX = "bench";

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
  faiss: { directory, dimension },
  batchSize: 500,
  log: createLog("error"),
};
let sync = await MemorySynchronizer.connect(options);
try {
  await loadSynthetic(sql, services.redisUrl, PREFIX, { dimension, from: 0, to: memories });
  await sync.close();
  sync = await MemorySynchronizer.connect(options); // Its index takes over what is new.
  console.error(`${memories} memories of ${dimension} numbers each are loaded`);
  const rates = { syncBatch: [] as number[], missing: [] as number[], stale: [] as number[] };
  const ids = Array.from({ length: drifted }, (_, at) => Math.floor((at * memories) / drifted));
  const repairOf = async (kind: string): Promise<number> => {
    const report = await sync.checkConsistency();
    assertEqual(report.findings.filter((finding) => finding.kind === kind).length, drifted, `${kind} findings`);
    const cost = await measured(() => sync.repairInconsistencies(report));
    assertEqual(cost.result.repaired, drifted, "repaired");
    return (drifted / cost.ms) * 1_000;
  };
  for (let round = 1; round <= rounds; round++) {
    const inputs = ids.map((id) => ({
      memoryId: `memory-${id}`,
      content: `changed in round ${round} of memory ${id}`,
      memoryType: "episodic",
      embedding: syntheticVector(id + round, dimension),
    }));
    const writing = await measured(() => sync.syncBatch(inputs));
    assertEqual(
      writing.result.every(({ status }) => status === "synced"),
      true,
      "all synced",
    );
    rates.syncBatch.push((drifted / writing.ms) * 1_000);
    const keys = ids.map((id) => `${PREFIX}:memory:default:memory-${id}`);
    for (let start = 0; start < keys.length; start += 1_000) await redis.del(keys.slice(start, start + 1_000));
    rates.missing.push(await repairOf("missing"));
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.hset(key, "version", 1, "checksum", "0".repeat(64));
    await pipeline.exec();
    rates.stale.push(await repairOf("stale"));
  }
  assertEqual((await sync.checkConsistency()).clean, true, "clean in the end");
  const floor = median(rates.syncBatch);
  console.table(
    Object.entries(rates).map(([what, found]) => ({
      what: what === "syncBatch" ? "syncBatch, changed" : `repair, ${what} in Redis`,
      "memories/s": Math.round(median(found)),
      "of syncBatch": (median(found) / floor).toFixed(2),
      lowest: Math.round(Math.min(...found)),
      highest: Math.round(Math.max(...found)),
    })),
  );
} finally {
  await sync.close();
  redis.disconnect();
  await sql.end({ timeout: 1 });
  await services.close();
  await rm(directory, { recursive: true, force: true });
}
