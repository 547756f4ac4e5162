/**
 * How long does a second node take to find what the first one writes, while both are busy?
 *
 *     npx tsx bench/faiss-follow.ts [--seconds 15] [--dimension 384]
 *
 * Real PostgreSQL and Redis (started here unless MNEMOSYNC_POSTGRES_URL and MNEMOSYNC_REDIS_URL name some). Node A writes
 * batches without a pause; every so often a probe of its own, whose vector node B then searches for until it finds it. The
 * time runs from A's answer to B's find, B's searches included. B looks by itself once a minute: it lives on being told.
 * Afterwards B, restarted, must hold as many memories as the ledger.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import postgres from "postgres";
import { openServices } from "../src/dev/services.ts";
import { MemorySynchronizer, openVectorIndex } from "../src/index.ts";
import { milliseconds, verify, withFolder } from "./support/report.ts";
import { quantile } from "./support/statistics.ts";
import { randomNumbers, uniformVectors } from "./support/vectors.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "15" }, dimension: { type: "string", default: "384" } },
});
const dimension = Number(values.dimension);
const next = uniformVectors(randomNumbers(1), dimension);
const services = await openServices();
const database = `mnemosync_bench_${randomBytes(4).toString("hex")}`;
const admin = postgres(services.postgresUrl, { max: 1, onnotice: () => undefined });
await admin.unsafe(`create database ${database}`);
const url = new URL(services.postgresUrl);
url.pathname = `/${database}`;
const common = { redisPrefix: database, postgresUrl: url.href, redisUrl: services.redisUrl };

try {
  await withFolder(follow);
} finally {
  await admin.unsafe(`drop database ${database} with (force)`);
  const redis = new Redis(services.redisUrl);
  for (let cursor = "0"; ; ) {
    const [after, keys] = await redis.scan(cursor, "MATCH", `${database}*`, "COUNT", 1_000);
    if (keys.length > 0) await redis.del(...keys);
    cursor = after;
    if (cursor === "0") break;
  }
  redis.disconnect();
  await admin.end();
  await services.close();
}

async function follow(folder: string): Promise<void> {
  const a = await MemorySynchronizer.connect({ ...common, faiss: { directory: join(folder, "a"), dimension } });
  const sql = postgres(url.href, { max: 10, onnotice: () => undefined });
  const redis = new Redis(services.redisUrl);
  const openB = () => openVectorIndex({ sql, faiss: { directory: join(folder, "b"), dimension } });
  let indexB = await openB();
  const b = await MemorySynchronizer.withClients(
    { sql, redis, vectorIndex: indexB },
    { redisPrefix: database, syncIntervalMs: 60_000 },
  );
  a.start();
  b.start();
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // Until it listens.
  let written = 0;
  let stopped = false;
  const load = Promise.all(
    [0, 1].map(async (lane) => {
      for (let batch = 0; !stopped; batch++) {
        const memories = Array.from({ length: 100 }, (_, at) => ({
          memoryId: `load-${lane}-${batch}-${at}`,
          content: `number ${at}`,
          memoryType: "bench",
          embedding: next(),
        }));
        const outcomes = await a.syncBatch(memories);
        verify(
          outcomes.every(({ status }) => status === "synced"),
          `a write of the load was ${outcomes[0]?.status}`,
        );
        written += memories.length;
      }
    }),
  );
  const delays: number[] = [];
  const lags: number[] = [];
  const started = performance.now();
  for (let probe = 0; performance.now() - started < Number(values.seconds) * 1_000; probe++) {
    const embedding = next();
    const memoryId = `probe-${probe}`;
    const { status } = await a.syncMemory(memoryId, { content: "probe", memoryType: "bench", embedding });
    verify(status === "synced", `a probe was ${status}`);
    const answered = performance.now();
    for (;;) {
      const [best] = await b.search(embedding, { k: 1, timeoutMs: 60_000 });
      if (best?.memory.memoryId === memoryId) break;
    }
    delays.push(performance.now() - answered);
    lags.push(indexB.lagMs ?? Number.NaN);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const ms = performance.now() - started;
  stopped = true;
  await load;
  await a.close();
  await b.close();
  await indexB.close({ snapshot: true });
  indexB = await openB();
  const held = await indexB.count(AbortSignal.timeout(60_000));
  verify(
    held === written + delays.length,
    `${held} memories in the restarted index of B, ${written + delays.length} written`,
  );
  await indexB.close();
  await sql.end();
  redis.disconnect();
  const of = (list: number[]): string =>
    `p50 ${milliseconds(quantile(list, 0.5))}, p99 ${milliseconds(quantile(list, 0.99))}, max ${milliseconds(Math.max(...list))}`;
  console.log(
    `${delays.length} probes of ${dimension}-d while node A wrote ${Math.round((written / ms) * 1_000)} memories/s`,
  );
  console.log(`  from A's answer to B's find   ${of(delays)}`);
  console.log(`  lag that B's index reported   ${of(lags)}`);
}
