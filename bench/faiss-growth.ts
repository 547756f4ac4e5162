/**
 * Does a single put, or a single delete, cost more the more vectors there are?
 *
 *     npx tsx bench/faiss-growth.ts [--dimension 384] [--sizes 10000,100000,500000] [--samples 500]
 *
 * One namespace is filled step by step. At each size single puts of new memories, updates and deletes go one by one, each
 * waited for. The index holds exactly what was written at every step.
 */
import { parseArgs } from "node:util";
import { FaissProjection } from "../src/stores/faiss/client/faiss-projection.ts";
import { milliseconds, verify, withFolder } from "./support/report.ts";
import { quantile } from "./support/statistics.ts";
import { EMPTY_LEDGER, put, randomNumbers, tombstone, uniformVectors } from "./support/vectors.ts";

const { values } = parseArgs({
  options: {
    dimension: { type: "string", default: "384" },
    sizes: { type: "string", default: "10000,100000,500000" },
    samples: { type: "string", default: "500" },
  },
});
const dimension = Number(values.dimension);
const samples = Number(values.samples);
const CHUNK = 2_000;
const soon = (): AbortSignal => AbortSignal.timeout(300_000);

await withFolder(async (directory) => {
  const next = uniformVectors(randomNumbers(1), dimension);
  const vectors = Array.from({ length: CHUNK }, next); // The same ones again and again: only their number matters here.
  const settings = { directory, dimension, snapshotIntervalMs: 86_400_000, snapshotChangesMax: 1e9 };
  const index = await FaissProjection.open(settings, { source: EMPTY_LEDGER }, soon());
  const medians: Record<"put" | "update" | "delete", number>[] = [];
  try {
    let filled = 0;
    let live = 0;
    for (const size of values.sizes.split(",").map(Number)) {
      for (; filled < size; filled += CHUNK) {
        const chunk = vectors.slice(0, size - filled).map((vector, at) => put(`fill-${filled + at}`, 1, vector));
        await index.publish(chunk, soon());
        live += chunk.length;
      }
      await index.digest(soon()); // What was put off is done.
      const times = { put: [] as number[], update: [] as number[], delete: [] as number[] };
      for (let sample = 0; sample < samples; sample++) {
        const id = `single-${size}-${sample}`;
        const steps = [put(id, 1, next()), put(id, 2, next()), tombstone(id, 3)];
        for (const [at, name] of (["put", "update", "delete"] as const).entries()) {
          const change = steps[at];
          verify(change !== undefined, "a step is missing");
          const started = performance.now();
          const [answer] = await index.publish([change], soon());
          times[name].push(performance.now() - started);
          verify(answer === "applied", `a ${name} was ${answer}`);
        }
      }
      verify((await index.count(soon())) === live, "the count");
      const of = (name: keyof typeof times): string =>
        `${name} p50 ${milliseconds(quantile(times[name], 0.5))}, p99 ${milliseconds(quantile(times[name], 0.99))}`;
      console.log(
        `${String(live).padStart(7)} vectors of ${dimension}-d: ${of("put")}; ${of("update")}; ${of("delete")}`,
      );
      medians.push({
        put: quantile(times.put, 0.5),
        update: quantile(times.update, 0.5),
        delete: quantile(times.delete, 0.5),
      });
    }
  } finally {
    await index.close();
  }
  const [first, last] = [medians[0], medians.at(-1)];
  verify(first !== undefined && last !== undefined, "no size was measured");
  const ratio = (name: "put" | "update" | "delete"): string => `${name} ${(last[name] / first[name]).toFixed(2)}`;
  console.log(`  largest against smallest, of the medians: ${ratio("put")}, ${ratio("update")}, ${ratio("delete")}`);
});
