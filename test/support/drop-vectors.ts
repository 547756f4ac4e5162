/**
 * Removes vectors from an index folder behind the back of its synchronizer, which must not be running:
 *
 *     npx tsx test/support/drop-vectors.ts --postgres-url URL --faiss-directory DIR --dimension 384 --count 20
 *         [--metric cosine] [--model mnemosync-hash-v1-384]
 *
 * The index is opened as the command line opens it, so dimension, metric and model must be the same. Prints the keys of
 * the dropped vectors, one JSON object a line.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { PostgresPool } from "../../src/drivers/postgres/postgres-pool.ts";
import { createLog, FaissProjection, HashingEmbedder } from "../../src/index.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { loseVectors } from "./lost-vectors.ts";

const { values } = parseArgs({
  options: {
    "postgres-url": { type: "string" },
    "faiss-directory": { type: "string" },
    dimension: { type: "string", default: "384" },
    metric: { type: "string", default: "cosine" },
    model: { type: "string" },
    count: { type: "string", default: "20" },
  },
});
const postgresUrl = values["postgres-url"];
const directory = values["faiss-directory"];
if (postgresUrl === undefined || directory === undefined) {
  throw new Error("--postgres-url and --faiss-directory are needed");
}

const signal = AbortSignal.timeout(60_000);
const log = createLog("warn");
const dimension = Number(values.dimension);
const model = values.model ?? new HashingEmbedder({ dimension }).model;
const metric = values.metric as "cosine" | "ip" | "l2"; // The index says so when it is none of them.

const postgres = new PostgresPool(postgresUrl, { max: 2 });
try {
  const source = new Ledger(postgres, { nodeId: "drop-vectors" });
  const index = await FaissProjection.open({ directory, dimension, metric, model }, { source, log }, signal);
  try {
    await feedEnd();
    await index.catchUp(signal);
    for (const { namespace, memoryId } of await loseVectors(index, Number(values.count))) {
      process.stdout.write(`${JSON.stringify({ namespace, memoryId })}\n`);
    }
  } finally {
    await index.close({ snapshot: true });
  }
} finally {
  await postgres.close();
}

/** Waits for transactions that hold the feed back: the index would be given again what lies behind its cursor. */
async function feedEnd(): Promise<void> {
  for (;;) {
    const [behind] = await postgres.use(
      signal,
      ({ sql }) => sql`
        select 1 from mnemosync.memory_bodies where xid >= pg_snapshot_xmin(pg_current_snapshot()) limit 1`,
    );
    if (behind === undefined) return;
    await delay(50, undefined, { signal });
  }
}
