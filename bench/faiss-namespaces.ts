/**
 * What do a thousand tenants cost, and does a search ever cross into another one?
 *
 *     npx tsx bench/faiss-namespaces.ts [--namespaces 1000] [--largest 5000] [--dimension 64] [--searches 3000]
 *
 * Namespaces of 1 … `largest` memories, sizes falling like those of real tenants (half of them hold a few dozen). Every
 * tenant holds the same ids, so that a result of another one could only be told by its version, which is the tenant's
 * number. Searches, 30 at a time, are checked one by one; some ask for more than there is.
 */
import { parseArgs } from "node:util";
import { FaissProjection } from "../src/stores/faiss/client/faiss-projection.ts";
import { milliseconds, perSecond, verify, withFolder } from "./support/report.ts";
import { quantile } from "./support/statistics.ts";
import { EMPTY_LEDGER, put, randomNumbers, uniformVectors } from "./support/vectors.ts";

const { values } = parseArgs({
  options: {
    namespaces: { type: "string", default: "1000" },
    largest: { type: "string", default: "5000" },
    dimension: { type: "string", default: "64" },
    searches: { type: "string", default: "3000" },
  },
});
const dimension = Number(values.dimension);
const namespaces = Number(values.namespaces);
const random = randomNumbers(1);
const next = uniformVectors(random, dimension);
const sizes = Array.from({ length: namespaces }, (_, at) =>
  Math.max(1, Math.round(Number(values.largest) / (1 + at) ** 0.8)),
);
const total = sizes.reduce((sum, size) => sum + size, 0);
const soon = (): AbortSignal => AbortSignal.timeout(300_000);

await withFolder(async (directory) => {
  const open = () => FaissProjection.open({ directory, dimension }, { source: EMPTY_LEDGER }, soon());
  let index = await open();
  const atStart = (await index.statistics(soon())).host?.rssBytes ?? 0;
  let started = performance.now();
  for (const [at, size] of sizes.entries()) {
    for (let from = 0; from < size; from += 1_000) {
      const count = Math.min(1_000, size - from);
      const changes = Array.from({ length: count }, (_, row) => put(`m${from + row}`, at + 1, next(), `tenant-${at}`));
      await index.publish(changes, soon());
    }
  }
  const fillMs = performance.now() - started;
  started = performance.now();
  await index.snapshot(soon());
  const snapshotMs = performance.now() - started;
  await index.close();
  started = performance.now();
  index = await open();
  const openMs = performance.now() - started;
  try {
    verify((await index.count(soon())) === total, "the count after the restart");
    const { host } = await index.statistics(soon());
    const mebibytes = ((host?.rssBytes ?? 0) - atStart) / 1024 / 1024;
    const times: number[] = [];
    started = performance.now();
    const lanes = Array.from({ length: 30 }, async () => {
      while (times.length < Number(values.searches)) {
        const tenant = Math.floor(random() * namespaces);
        const k = [1, 10, 10_000][Math.floor(random() * 3)] as number;
        const began = performance.now();
        const hits = await index.search(`tenant-${tenant}`, next(), k, soon());
        times.push(performance.now() - began);
        verify(hits.length === Math.min(k, sizes[tenant] as number), `${hits.length} results of tenant ${tenant}`);
        for (const { memoryId, version } of hits)
          verify(version === tenant + 1, `${memoryId} of tenant ${version - 1}`);
        verify(new Set(hits.map(({ memoryId }) => memoryId)).size === hits.length, "a memory was found twice");
      }
    });
    await Promise.all(lanes);
    const searchMs = performance.now() - started;
    console.log(
      `${namespaces} namespaces, ${total} vectors of ${dimension}-d (${((total * dimension * 4) / 1024 / 1024).toFixed(0)} MiB)`,
    );
    console.log(`  filled    ${perSecond(total, fillMs)}, one namespace after the other`);
    console.log(`  memory    ${mebibytes.toFixed(0)} MiB of the host beyond its start`);
    console.log(`  snapshot  ${milliseconds(snapshotMs)}`);
    console.log(`  start     ${milliseconds(openMs)}, all of them ready`);
    console.log(
      `  searches  ${perSecond(times.length, searchMs)} at 30 a time, p50 ${milliseconds(quantile(times, 0.5))}, ` +
        `p99 ${milliseconds(quantile(times, 0.99))}; none crossed`,
    );
  } finally {
    await index.close();
  }
});
