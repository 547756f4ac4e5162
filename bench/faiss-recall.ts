/**
 * How much does a main index find of what an exact search finds, and how long does it take; also after half of the
 * memories were updated and a fifth deleted?
 *
 *     npx tsx bench/faiss-recall.ts [--count 100000] [--dimension 384] [--queries 200] [--factories "Flat;IVF1024,Flat:64"]
 *
 * A factory may be followed by its `nprobe` or `efSearch`. The exact answer is computed here, in double precision, from
 * the very vectors. Three measurements of each: built, beside FAISS alone with the same index file, and with filters that go
 * after the index; after updates and deletes, which the delta and the dead bits carry; compacted again. All k results must be
 * live, of the newest version, and each once. `--only-built` leaves out the last two.
 */
import { parseArgs } from "node:util";
import type { PutChange } from "../src/domain/memory.ts";
import { FaissProjection } from "../src/stores/faiss/client/faiss-projection.ts";
import { exactScore, projectVector } from "../src/stores/faiss/protocol/metric.ts";
import { FilteredSearch } from "./support/filtered-search.ts";
import { mainIndexFile, searchAlone } from "./support/index-alone.ts";
import { milliseconds, verify, withFolder } from "./support/report.ts";
import { quantile } from "./support/statistics.ts";
import { clusteredVectors, EMPTY_LEDGER, put, randomNumbers, tombstone } from "./support/vectors.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    dimension: { type: "string", default: "384" },
    queries: { type: "string", default: "200" },
    "only-built": { type: "boolean", default: false },
    factories: { type: "string", default: "Flat;IVF1024,Flat:32;IVF1024,SQ8:32;HNSW32:128" },
  },
});
const count = Number(values.count);
const dimension = Number(values.dimension);
const K = 10;
const CHUNK = 2_000;
const later = (): AbortSignal => AbortSignal.timeout(3_600_000);

/** One of so many memories passes each filter. */
const SHARES = [1_000, 100, 10, 2];

const random = randomNumbers(1);
const next = clusteredVectors(random, dimension, 500);
const first = Array.from({ length: count }, (_, at) => put(`m${at}`, 1, next()));
const updates = (values["only-built"] ? [] : first.filter((_, at) => at % 2 === 0)).map(({ memoryId }) =>
  put(memoryId, 2, next()),
);
const deletes = first.filter((_, at) => at % 5 === 1).map(({ memoryId }) => tombstone(memoryId, 3));
const queries = Array.from({ length: Number(values.queries) }, next);

const held = new Map(first.map((change) => [change.memoryId, change]));
const truthBefore = exact(held);
const heldBefore = new Map(held);
for (const change of updates) held.set(change.memoryId, change);
if (!values["only-built"]) for (const { memoryId } of deletes) held.delete(memoryId);
const truthAfter = values["only-built"] ? truthBefore : exact(held);

console.log(`${count} clustered vectors of ${dimension}-d, ${queries.length} queries, k = ${K}`);
for (const item of values.factories.split(";")) {
  const [factory, setting] = item.split(":") as [string, string | undefined];
  await withFolder((directory) => measure(directory, factory, Number(setting ?? 64)));
}

async function measure(directory: string, factory: string, setting: number): Promise<void> {
  const options = {
    directory,
    dimension,
    factory,
    nprobe: setting,
    efSearch: setting,
    mainRowsMin: 1_000_000_000, // Until all is there: one build, not one on the way.
  };
  let index = await FaissProjection.open(options, { source: EMPTY_LEDGER }, later());
  try {
    await publishAll(index, first);
    await index.close({ snapshot: true });
    index = await FaissProjection.open({ ...options, mainRowsMin: 1_000 }, { source: EMPTY_LEDGER }, later());
    const builtMs = await untilBuilt(index, factory === "Flat" ? 0 : count);
    console.log(`${factory}${factory === "Flat" ? "" : ` at ${setting}, built in ${(builtMs / 1_000).toFixed(1)} s`}`);
    await report(index, "built", truthBefore);
    await reportFilters(index);
    // The shares at which a rebuild would pay are above what is written here.
    await index.close({ snapshot: true });
    if (factory !== "Flat") await reportAlone(directory);
    if (values["only-built"]) return;
    const quiet = { ...options, mainRowsMin: 1_000, deltaShareMax: 1, deadShareMax: 1 };
    index = await FaissProjection.open(quiet, { source: EMPTY_LEDGER }, later());
    await publishAll(index, updates);
    for (let start = 0; start < deletes.length; start += CHUNK) {
      await index.publish(deletes.slice(start, start + CHUNK), later());
    }
    await report(index, "50 % updated, 20 % deleted", truthAfter);
    await index.compact(later());
    await report(index, "compacted", truthAfter);
  } finally {
    await index.close();
  }
}

async function publishAll(index: FaissProjection, changes: readonly PutChange[]): Promise<void> {
  for (let start = 0; start < changes.length; start += CHUNK) {
    await index.publish(changes.slice(start, start + CHUNK), later());
  }
}

async function untilBuilt(index: FaissProjection, rows: number): Promise<number> {
  const started = performance.now();
  for (;;) {
    const { host } = await index.statistics(later());
    verify(host?.compactionFailure === null, `the build failed: ${host?.compactionFailure}`);
    if ((host?.namespaces[0]?.main ?? 0) >= rows) return performance.now() - started;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function report(index: FaissProjection, state: string, truth: Truth): Promise<void> {
  const times: number[] = [];
  let found = 0;
  for (const [at, query] of queries.entries()) {
    const started = performance.now();
    const hits = await index.search("default", query, K, later());
    times.push(performance.now() - started);
    verify(hits.length === K && new Set(hits.map(({ memoryId }) => memoryId)).size === K, `${hits.length} results`);
    for (const { memoryId, version } of hits) {
      verify(truth.versions.get(memoryId) === version, `${memoryId} at version ${version} was found`);
      if (truth.ids[at]?.has(memoryId)) found++;
    }
  }
  const recall = found / (K * queries.length);
  if (/^Flat/.test(values.factories) && index.factory === "Flat")
    verify(recall === 1, `recall ${recall} of a flat index`);
  const { host } = await index.statistics(later());
  const { live, dead, main } = host?.namespaces[0] ?? { live: 0, dead: 0, main: 0 };
  const rss = ((host?.rssBytes ?? 0) / 1024 ** 2).toFixed(0);
  console.log(
    `  ${state.padEnd(27)} recall@${K} ${recall.toFixed(3)}, search p50 ${milliseconds(quantile(times, 0.5))}, ` +
      `p99 ${milliseconds(quantile(times, 0.99))} (${live} live, ${dead} dead, ${main} in the main index; host ${rss} MiB)`,
  );
}

/** FAISS alone: the same file, the same queries, none of our own code. */
async function reportAlone(directory: string): Promise<void> {
  const units = queries.map((query) => [...projectVector("cosine", query)]);
  const {
    rows,
    milliseconds: times,
    bytes,
  } = await searchAlone({ path: mainIndexFile(directory), queries: units, k: K });
  let found = 0;
  for (const [at, list] of rows.entries()) for (const row of list) if (truthBefore.ids[at]?.has(`m${row}`)) found++;
  console.log(
    `  ${"FAISS alone".padEnd(27)} recall@${K} ${(found / (K * queries.length)).toFixed(3)}, search p50 ` +
      `${milliseconds(quantile(times, 0.5))}, p99 ${milliseconds(quantile(times, 0.99))} (${(bytes / 1024 ** 2).toFixed(0)} MiB)`,
  );
}

/** A filter that goes after the index, as one does that no index of the ledger helps. */
async function reportFilters(index: FaissProjection): Promise<void> {
  const search = new FilteredSearch(index, heldBefore);
  const numberOf = (memoryId: string): number => Number(memoryId.slice(1));
  for (const of of SHARES) {
    const times: number[] = [];
    let found = 0;
    let expected = 0;
    search.asked = 0;
    const some = queries.slice(0, Math.ceil(queries.length / 4));
    for (const [at, query] of some.entries()) {
      const started = performance.now();
      const ids = await search.find(query, K, (memoryId) => numberOf(memoryId) % of === 0, later());
      times.push(performance.now() - started);
      const wanted = truthBefore.passing(at, of);
      expected += wanted.size;
      found += ids.filter((id) => wanted.has(id)).length;
      verify(new Set(ids).size === Math.min(K, wanted.size), `${ids.length} results of a filter of 1 in ${of}`);
    }
    console.log(
      `  ${`filter, ${100 / of} % pass`.padEnd(27)} recall@${K} ${(found / expected).toFixed(3)}, search p50 ` +
        `${milliseconds(quantile(times, 0.5))} (${(search.asked / some.length).toFixed(0)} hits asked for)`,
    );
  }
}

interface Truth {
  readonly ids: readonly ReadonlySet<string>[];
  /** Of a query, the nearest among each `of`th memory. */
  readonly passing: (query: number, of: number) => ReadonlySet<string>;
  readonly versions: ReadonlyMap<string, number>;
}

/** The k nearest by definition. */
function exact(memories: ReadonlyMap<string, PutChange>): Truth {
  const all = [...memories.values()].map(({ memoryId, embedding }) => ({
    memoryId,
    number: Number(memoryId.slice(1)),
    unit: projectVector("cosine", embedding as Float32Array),
  }));
  const scored = queries.map((query) => {
    const unit = projectVector("cosine", query);
    return Float32Array.from(all, (memory) => exactScore("cosine", unit, memory.unit, 0));
  });
  const nearest = (scores: Float32Array, of: number): Set<string> => {
    const passing = scores.filter((_, at) => all[at]!.number % of === 0).sort();
    const limit = passing.at(-Math.min(K, passing.length)) as number;
    return new Set(
      all.filter(({ number }, at) => number % of === 0 && scores[at]! >= limit).map(({ memoryId }) => memoryId),
    );
  };
  return {
    ids: scored.map((scores) => nearest(scores, 1)),
    passing: (query, of) => nearest(scored[query] as Float32Array, of),
    versions: new Map([...memories.values()].map(({ memoryId, version }) => [memoryId, version])),
  };
}
