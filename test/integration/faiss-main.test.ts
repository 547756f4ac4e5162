import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ConfigurationError } from "../../src/domain/errors.ts";
import type { PutChange } from "../../src/domain/memory.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import type { FaissOptions } from "../../src/stores/faiss/options.ts";
import { exactScore, type Metric, projectVector } from "../../src/stores/faiss/protocol/metric.ts";
import {
  MemorySource,
  put,
  randomNumbers,
  randomVector,
  recordingLog,
  temporaryFolder,
  tombstone,
} from "../unit/faiss/support.ts";

/** Main indexes of kinds that trade exactness for speed: the promises about results, bytes and time hold for them too. */

const DIMENSION = 16;
const random = randomNumbers(9);
const vector = (): Float32Array => randomVector(random, DIMENSION);
const within = (ms = 25_000): AbortSignal => AbortSignal.timeout(ms);

let directory: string;
let source: MemorySource;
let log: ReturnType<typeof recordingLog>;
beforeEach(async () => {
  const folder = await temporaryFolder();
  directory = folder.path;
  source = new MemorySource();
  log = recordingLog();
  return folder.remove;
});

async function open(options: Partial<FaissOptions> = {}): Promise<FaissProjection> {
  const settings = { directory, dimension: DIMENSION, mainRowsMin: 1_000, hostBackoffMaxMs: 50, ...options };
  const index = await FaissProjection.open(settings, { source, log }, within());
  onTestFinished(() => index.close());
  return index;
}

const vectors = (count: number, version = 1): PutChange[] =>
  Array.from({ length: count }, (_, at) => put(`m${at}`, version, vector()));

async function write(index: FaissProjection, changes: readonly PutChange[]): Promise<void> {
  source.commit(...changes);
  await index.publish(changes, within());
}

async function statistics(index: FaissProjection) {
  const { host } = await index.statistics(within());
  if (host === null) throw new Error("the host does not answer");
  return host;
}

/** Waits until the main index has so many rows. */
async function untilMain(index: FaissProjection, rows: number): Promise<void> {
  await expect.poll(async () => (await statistics(index)).namespaces[0]?.main, { timeout: 60_000 }).toBe(rows);
}

async function expectHeld(index: FaissProjection, changes: readonly PutChange[]): Promise<void> {
  const entries = await index.read(changes, { data: true }, within());
  // One expectation for all: one for each of thousands takes longer than the index does.
  const others = changes.flatMap((change, at) => {
    const entry = entries[at];
    const isHeld = entry?.state === "live" && entry.version === change.version && index.flaw(entry, change) === null;
    return isHeld ? [] : [{ change, entry, flaw: entry?.state === "live" ? index.flaw(entry, change) : null }];
  });
  expect(others).toEqual([]);
  expect(entries).toHaveLength(changes.length);
}

/** The vectors of changes as the index compares them: each is asked for hundreds of times, of one metric. */
const rows = new WeakMap<PutChange, Float32Array>();

function rowOf(metric: Metric, change: PutChange): Float32Array {
  const row = rows.get(change) ?? projectVector(metric, change.embedding as Float32Array);
  rows.set(change, row);
  return row;
}

/** Ids of the nearest, by definition. */
function exact(metric: Metric, live: Iterable<PutChange>, query: Float32Array, k: number): string[] {
  const wanted = projectVector(metric, query);
  return [...live]
    .map((change) => ({ memoryId: change.memoryId, score: exactScore(metric, wanted, rowOf(metric, change), 0) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, k)
    .map(({ memoryId }) => memoryId);
}

const kinds: { factory: string; metric: Metric; recallMin: number }[] = [
  { factory: "HNSW16", metric: "cosine", recallMin: 0.95 },
  { factory: "HNSW16", metric: "l2", recallMin: 0.95 },
  { factory: "IVF16,Flat", metric: "ip", recallMin: 0.95 },
  { factory: "IVF16,SQ8", metric: "cosine", recallMin: 0.95 },
  { factory: "HNSW16_SQ8", metric: "l2", recallMin: 0.95 },
];

test("a search for many rows looks at more lists of an IVF index than a search for a few", async () => {
  // Before: 8 lists of 64 hold some 625 rows, and nearly all of them were the answer, however near those of other lists were.
  const index = await open({ factory: "IVF64,Flat", metric: "cosine", nprobe: 8 });
  const live = vectors(5_000);
  await write(index, live);
  await untilMain(index, 5_000);
  let found = 0;
  for (let round = 0; round < 4; round++) {
    const query = vector();
    const nearest = new Set(exact("cosine", live, query, 500));
    const hits = await index.search("default", query, 500, within());
    expect(hits).toHaveLength(500);
    for (const { memoryId } of hits) if (nearest.has(memoryId)) found++;
  }
  expect(found / 2_000).toBeGreaterThan(0.95);
});

describe.each(kinds)("$factory by $metric", ({ factory, metric, recallMin }) => {
  test("a search always finds k live vectors, through updates, deletes, a compaction and a restart", async () => {
    const settings = { factory, metric, nprobe: 12, efSearch: 128 };
    let index = await open({ ...settings, deadShareMax: 1, deltaShareMax: 1 });
    const live = new Map(vectors(2_000).map((change) => [change.memoryId, change]));
    await write(index, [...live.values()]);
    await untilMain(index, 2_000);

    const check = async (): Promise<void> => {
      expect(await index.count(within())).toBe(live.size);
      let [found, wanted] = [0, 0];
      for (let round = 0; round < 20; round++) {
        const query = vector();
        const hits = await index.search("default", query, 10, within());
        expect(new Set(hits.map(({ memoryId }) => memoryId)).size).toBe(10);
        for (const hit of hits) {
          const change = live.get(hit.memoryId);
          expect(change?.version).toBe(hit.version);
          const unit = projectVector(metric, change?.embedding as Float32Array);
          expect(hit.score).toBeCloseTo(exactScore(metric, projectVector(metric, query), unit, 0), 3);
        }
        expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).toSorted((a, b) => b - a));
        const truth = new Set(exact(metric, live.values(), query, 10));
        wanted += 10;
        found += hits.filter(({ memoryId }) => truth.has(memoryId)).length;
      }
      expect(found / wanted).toBeGreaterThanOrEqual(recallMin);
      // As many as there are, whatever the lists and the graph lead to: then the answer is exact.
      for (const k of [live.size - 1, live.size, live.size + 100]) {
        const query = vector();
        const hits = await index.search("default", query, k, within());
        expect(hits).toHaveLength(Math.min(k, live.size));
        const truth = exact(metric, live.values(), query, k);
        expect(hits.slice(0, 50).map(({ memoryId }) => memoryId)).toEqual(truth.slice(0, 50));
      }
      await expectHeld(index, [...live.values()]);
    };
    await check();

    const updates = vectors(1_000, 2);
    await write(index, updates);
    for (const change of updates) live.set(change.memoryId, change);
    const gone = Array.from({ length: 500 }, (_, at) => tombstone(`m${at * 3}`, 3));
    source.commit(...gone);
    await index.publish(gone, within());
    for (const { memoryId } of gone) live.delete(memoryId);
    expect((await statistics(index)).namespaces[0]).toMatchObject({ main: 2_000, live: live.size });
    await check();

    await index.compact(within());
    expect((await statistics(index)).namespaces[0]).toMatchObject({ main: live.size, dead: 0 });
    await check();

    await index.close({ snapshot: true });
    source.fetched = 0;
    index = await open(settings);
    expect(source.fetched).toBe(0);
    expect((await statistics(index)).namespaces[0]?.main).toBe(live.size);
    await check();
  });
});

test("searches and writes continue during the build of a main index, which includes those writes afterwards", async () => {
  const index = await open({ factory: "HNSW48", deltaShareMax: 0.2 });
  const live = new Map<string, PutChange>();
  for (const change of vectors(6_000)) live.set(change.memoryId, change);
  await write(index, [...live.values()]);
  let during = 0;
  for (let version = 2; (await statistics(index)).namespaces[0]?.main === 0; version++) {
    expect(version, "the build takes for ever").toBeLessThan(10_000);
    // Of the lower half some are written again, the upper half is deleted one by one: a build may take thousands of rounds.
    const changes = [put(`m${version % 3_000}`, version, vector()), put(`new${version}`, 1, vector())];
    await write(index, changes);
    for (const change of changes) live.set(change.memoryId, change);
    const dead = tombstone(`m${5_999 - version}`, 2);
    if (version < 3_000) {
      source.commit(dead);
      await index.publish([dead], within());
      live.delete(dead.memoryId);
    }
    const wanted = changes[0] as PutChange;
    const [best] = await index.search("default", wanted.embedding as Float32Array, 1, within());
    expect(best).toMatchObject({ memoryId: wanted.memoryId, version: wanted.version });
    during++;
  }
  expect(during).toBeGreaterThan(3);
  expect(await index.count(within())).toBe(live.size);
  await expectHeld(index, [...live.values()]);
  const hits = await index.search("default", vector(), live.size, within());
  expect(new Set(hits.map(({ memoryId }) => memoryId))).toEqual(new Set(live.keys()));
  for (const { memoryId, version } of hits) expect(live.get(memoryId)?.version).toBe(version);
});

test("a large flat namespace is rewritten beside the calls, in segments, with nothing lost or gained", async () => {
  const dimension = 1_024;
  const wide = randomNumbers(3);
  const make = (at: number, version: number) => put(`m${at}`, version, randomVector(wide, dimension));
  const index = await open({ dimension, deadShareMax: 0.4 });
  const live = new Map<string, PutChange>();
  const write = async (from: number, count: number, version: number): Promise<void> => {
    const changes = Array.from({ length: count }, (_, at) => make(from + at, version));
    source.commit(...changes);
    await index.publish(changes, within());
    for (const change of changes) live.set(change.memoryId, change);
  };
  for (let start = 0; start < 5_000; start += 1_000) await write(start, 1_000, 1); // More than one segment of 32 MiB.
  const { compactions } = await statistics(index);
  let during = 0;
  let written = 0;
  while ((await statistics(index)).compactions === compactions) {
    expect(during, "no compaction").toBeLessThan(1_000);
    // After seven large rounds two fifths are dead, and it is due: the small ones after that go on beside it.
    const count = during < 7 ? 500 : 50;
    await write(written % 5_000, count, 2 + Math.floor(written / 5_000));
    written += count;
    during++;
    const [wanted] = [...live.values()].slice(-1) as [PutChange];
    const [best] = await index.search("default", wanted.embedding as Float32Array, 1, within());
    expect(best).toMatchObject({ memoryId: wanted.memoryId, version: wanted.version });
  }
  expect(during).toBeGreaterThan(10);
  expect(await index.count(within())).toBe(5_000);
  await expectHeld(index, [...live.values()]);
  await index.compact(within());
  expect((await statistics(index)).namespaces).toMatchObject([{ live: 5_000, dead: 0, main: 0 }]);
  await expectHeld(index, [...live.values()]);
  const query = randomVector(wide, dimension);
  const hits = await index.search("default", query, 20, within());
  expect(hits.map(({ memoryId }) => memoryId)).toEqual(exact("cosine", live.values(), query, 20));
});

test("below the minimum search stays exact, and a namespace that shrinks below it is flat again", async () => {
  const index = await open({ factory: "IVF8,Flat", nprobe: 1 });
  await write(index, vectors(999));
  await index.compact(within());
  expect((await statistics(index)).namespaces[0]?.main).toBe(0);
  const grown = vectors(2_500, 2);
  await write(index, grown);
  await untilMain(index, 2_500);
  const gone = Array.from({ length: 2_000 }, (_, at) => tombstone(`m${at}`, 3));
  source.commit(...gone);
  await index.publish(gone, within());
  await untilMain(index, 0);
  const query = vector();
  const hits = await index.search("default", query, 20, within());
  expect(hits.map(({ memoryId }) => memoryId)).toEqual(exact("cosine", grown.slice(2_000), query, 20));
});

test("search parameters and the kind of index may be changed from start to start", async () => {
  const changes = vectors(3_000);
  const first = await open({ factory: "IVF32,Flat", nprobe: 1 });
  await write(first, changes);
  await untilMain(first, 3_000);
  const queries = Array.from({ length: 30 }, vector);
  const recall = async (index: FaissProjection): Promise<number> => {
    let found = 0;
    for (const query of queries) {
      const truth = new Set(exact("cosine", changes, query, 10));
      const hits = await index.search("default", query, 10, within());
      found += hits.filter(({ memoryId }) => truth.has(memoryId)).length;
    }
    return found / (10 * queries.length);
  };
  expect(await recall(first)).toBeLessThan(0.9);
  await first.close({ snapshot: true });

  const all = await open({ factory: "IVF32,Flat", nprobe: 32 });
  expect((await statistics(all)).namespaces[0]?.main).toBe(3_000);
  expect(await recall(all)).toBe(1);
  await all.close({ snapshot: true });

  const graph = await open({ factory: "HNSW32", efSearch: 1 });
  await untilMain(graph, 3_000);
  const poor = await recall(graph);
  await graph.close({ snapshot: true });
  const better = await open({ factory: "HNSW32", efSearch: 500 });
  expect(await recall(better)).toBeGreaterThan(Math.max(poor, 0.98));
  await better.close({ snapshot: true });

  const flat = await open({ factory: "Flat" });
  expect((await statistics(flat)).namespaces[0]?.main).toBe(0);
  expect(await recall(flat)).toBe(1);
  await expectHeld(flat, changes);
});

test("a killed worker loses only its own work, and the failure is reported", async () => {
  const index = await open({ factory: "HNSW64" });
  const changes = vectors(8_000);
  await write(index, changes);
  const pid = index.hostPid as number;
  let worker: number | undefined;
  await expect
    .poll(async () => {
      worker = await childOf(pid);
      return worker;
    })
    .toBeDefined();
  process.kill(worker as number, "SIGKILL");
  await expect.poll(async () => (await statistics(index)).compactionFailure).toMatch(/SIGKILL/);
  // It serves as before, only not as fast.
  expect(await index.health(within())).toEqual({ state: "healthy" });
  expect(log.events).toContainEqual(expect.objectContaining({ event: "index.compaction_failed" }));
  expect(index.hostPid).toBe(pid);
  await expectHeld(index, changes.slice(0, 100));
  await index.compact(within());
  expect((await statistics(index)).namespaces[0]?.main).toBe(8_000);
});

test("a host that is killed while an index is built takes its worker with it and leaves no files", async () => {
  const index = await open({ factory: "HNSW64" });
  const changes = vectors(8_000);
  await write(index, changes);
  const pid = index.hostPid as number;
  let worker: number | undefined;
  await expect
    .poll(async () => {
      worker = await childOf(pid);
      return worker;
    })
    .toBeDefined();
  process.kill(pid, "SIGKILL");
  await expect.poll(async () => (await index.statistics(within())).restarts, { timeout: 30_000 }).toBe(1);
  await expectHeld(index, changes.slice(0, 100));
  await expect.poll(() => isAlive(worker as number), { timeout: 30_000 }).toBe(false);
  await untilMain(index, 8_000);
  await index.close();
  expect(await readdir(directory)).toEqual([]);
});

test("an index type that FAISS does not support is refused by name at the start", async () => {
  for (const factory of ["Nonsense", "PQ7", "Flat;rm", ""]) {
    await expect(open({ factory }), factory).rejects.toThrow(ConfigurationError);
  }
  await expect(open({ factory: "PQ7" })).rejects.toThrow(/faiss.factory: FAISS makes no index "PQ7" of dimension 16/);
  expect(await readdir(directory)).toEqual([]);
});

/** A child process of `pid`; undefined when it has none. */
async function childOf(pid: number): Promise<number | undefined> {
  const children = await readFile(join("/proc", String(pid), "task", String(pid), "children"), "utf8");
  return children.trim() === "" ? undefined : Number(children.trim().split(" ")[0]);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH.
  }
}
