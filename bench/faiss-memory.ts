/**
 * Does the host process's memory stay level over millions of vectors that come and go, does the program stay responsive
 * meanwhile, and what does a memory cost beside its vector?
 *
 *     npx tsx bench/faiss-memory.ts [--vectors 2000000] [--dimension 384] [--memories 1000000]
 *
 * 20,000 memories are updated again and again: every update leaves a dead vector, compactions clear them away in the
 * background. Then, in another index, so many memories of 8-d are put once. The count is compared at the end of each.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import type { PutChange } from "../src/domain/memory.ts";
import { FaissProjection } from "../src/stores/faiss/client/faiss-projection.ts";
import { milliseconds, perSecond, verify, withFolder } from "./support/report.ts";
import { EMPTY_LEDGER, put, randomNumbers, uniformVectors } from "./support/vectors.ts";

const { values } = parseArgs({
  options: {
    vectors: { type: "string", default: "2000000" },
    dimension: { type: "string", default: "384" },
    memories: { type: "string", default: "1000000" },
  },
});
const MEBIBYTE = 1024 * 1024;
const MEMORIES = 20_000;
const CHUNK = 1_000;
const quiet = { snapshotIntervalMs: 86_400_000, snapshotChangesMax: 1e9 };
const soon = (): AbortSignal => AbortSignal.timeout(300_000);

/** Changes, a hundred at a turn of the event loop: making them is not what is measured. */
async function made(vectors: readonly Float32Array[], start: number, version: number): Promise<PutChange[]> {
  const changes: PutChange[] = [];
  for (const [at, vector] of vectors.entries()) {
    changes.push(put(`m${start + at}`, version, vector));
    if (at % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  return changes;
}

await withFolder(async (directory) => {
  const dimension = Number(values.dimension);
  const vectors = Array.from({ length: MEMORIES }, uniformVectors(randomNumbers(1), dimension));
  const index = await FaissProjection.open({ directory, dimension, ...quiet }, { source: EMPTY_LEDGER }, soon());
  const delay = monitorEventLoopDelay({ resolution: 1 });
  try {
    const total = Number(values.vectors);
    const rss: number[] = [];
    let written = 0;
    console.log(`${total} vectors of ${dimension}-d through ${MEMORIES} memories; memory of the host:`);
    delay.enable();
    const started = performance.now();
    for (let version = 1; written < total; version++) {
      const lanes = [0, 1].map(async (lane) => {
        for (let start = lane * CHUNK; start < MEMORIES; start += 2 * CHUNK) {
          await index.publish(await made(vectors.slice(start, start + CHUNK), start, version), soon());
        }
      });
      await Promise.all(lanes);
      written += MEMORIES;
      if (written % Math.ceil(total / 10) >= MEMORIES) continue;
      const { host } = await index.statistics(soon());
      verify(host !== null && host.compactionFailure === null, `a compaction failed: ${host?.compactionFailure}`);
      rss.push(host.rssBytes / MEBIBYTE);
      console.log(
        `  after ${String(written).padStart(8)}: ${(host.rssBytes / MEBIBYTE).toFixed(0)} MiB, ${host.compactions} compactions, ` +
          `${host.namespaces[0]?.dead} dead`,
      );
    }
    const ms = performance.now() - started;
    delay.disable();
    verify((await index.count(soon())) === MEMORIES, "the count");
    const half = Math.floor(rss.length / 2);
    const [early, late] = [Math.max(...rss.slice(0, half)), Math.max(...rss.slice(half))];
    console.log(
      `  highest of the second half against the first: ${(late / early).toFixed(2)}; ${perSecond(written, ms)} written`,
    );
    const [p50, p99, max] = [delay.percentile(50), delay.percentile(99), delay.max].map((ns) => milliseconds(ns / 1e6));
    console.log(`  event-loop delay of the program meanwhile: p50 ${p50}, p99 ${p99}, max ${max}`);
  } finally {
    await index.close();
  }
});

await withFolder(async (directory) => {
  const dimension = 8;
  const total = Number(values.memories);
  const vectors = Array.from({ length: CHUNK }, uniformVectors(randomNumbers(1), dimension));
  const index = await FaissProjection.open({ directory, dimension, ...quiet }, { source: EMPTY_LEDGER }, soon());
  try {
    const before = (await index.statistics(soon())).host?.rssBytes ?? 0;
    for (let start = 0; start < total; start += CHUNK) {
      await index.publish(
        vectors.map((vector, at) => put(`memory-${start + at}`, 1, vector)),
        soon(),
      );
    }
    await index.digest(soon());
    const { host } = await index.statistics(soon());
    verify(host !== null && (await index.count(soon())) === total, "the count");
    const resident = (host.rssBytes - before - total * dimension * 4) / total;
    console.log(`${total} memories with ids of ${`memory-${total - 1}`.length} bytes, beside their vectors:`);
    console.log(`  tables  ${(host.slotTableBytes / total).toFixed(0)} bytes each, room for growth included`);
    console.log(`  all of the process's memory beyond its start  ${resident.toFixed(0)} bytes each`);
  } finally {
    await index.close();
  }
});
