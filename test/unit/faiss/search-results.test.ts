import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { type FaissIndex, loadFaiss } from "../../../src/stores/faiss/host/faiss.ts";
import { SearchResults } from "../../../src/stores/faiss/host/search-results.ts";
import { randomNumbers, randomVector } from "./support.ts";

/** Goal: searches with and without the method of our own find the same rows, and ours keeps no memory. */

// As the host has it. With more, the threads of OpenBLAS wait for each other by spinning, for seconds on a busy machine.
process.env.OPENBLAS_NUM_THREADS = "1";
const requireHere = createRequire(import.meta.url);
const faiss = loadFaiss();
const hasSearchMany = new faiss.IndexFlatIP(1).searchMany !== undefined;
const DIMENSION = 24;
const ROWS = 1_000;
const random = randomNumbers(3);
const vectorsOf = (count: number): Float32Array =>
  Float32Array.from(Array.from({ length: count }, () => [...randomVector(random, DIMENSION)]).flat());

/** An index as faiss-node's own binary has it. */
function plain(index: FaissIndex): FaissIndex {
  class IndexFlatPlain {
    readonly search = index.search.bind(index);
  }
  return new IndexFlatPlain() as unknown as FaissIndex;
}

describe.skipIf(!hasSearchMany).each(["IndexFlatIP", "IndexFlatL2"] as const)("%s", (name) => {
  const index = new faiss[name](DIMENSION);
  index.add([...vectorsOf(ROWS)]);

  test.each([1, 2, 3, 19, 20, 40])("both methods find the same rows for %i queries", (count) => {
    const queries = vectorsOf(count);
    for (const k of [1, 10, 250]) {
      const [ours, theirs] = [index, plain(index)].map((each) => new SearchResults().of(each, queries, count, k, 0));
      const sorted = (scores: ArrayLike<number> = []) =>
        Float32Array.from(scores)
          .subarray(0, count * k)
          .sort();
      const [own, other] = [sorted(ours?.distances), sorted(theirs?.distances)];
      for (const [at, score] of own.entries()) expect(score).toBeCloseTo(other[at] as number, 3);
      const labels = Array.from({ length: count }, (_, query) =>
        [ours, theirs].map((found) => Array.from(found?.labels ?? []).slice(query * k, (query + 1) * k)),
      );
      // Two rows whose scores differ in the last bit may change places.
      for (const [own = [], other = []] of labels) {
        expect(own.filter((label) => !other.includes(label)).length).toBeLessThanOrEqual(1);
      }
    }
  });
});

describe.skipIf(!hasSearchMany).each(["IndexFlatIP", "IndexFlatL2"] as const)("%s of any shape", (name) => {
  const scoreOf = (query: Float32Array, row: Float32Array): number =>
    query.reduce((sum, number, at) => {
      const other = row[at] as number;
      return sum + (name === "IndexFlatIP" ? number * other : (number - other) ** 2);
    }, 0);

  test.each([1, 2, 7, 8, 9, 15, 16, 17, 33])(
    "vectors of %i numbers: the nearest are those of a plain loop",
    (dimension) => {
      for (const rows of [1, 2, 3, 4, 5, 10]) {
        const index = new faiss[name](dimension);
        const held = Array.from({ length: rows }, () => Float32Array.from(randomVector(random, dimension)));
        index.add(held.flatMap((row) => [...row]));
        for (const count of [1, 2, 3, 4, 5, 9]) {
          const queries = Array.from({ length: count }, () => Float32Array.from(randomVector(random, dimension)));
          const together = Float32Array.from(queries.flatMap((query) => [...query]));
          const found = new SearchResults().of(index, together, count, rows, 0);
          for (const [at, query] of queries.entries()) {
            const labels = Array.from(found.labels).slice(at * rows, (at + 1) * rows);
            expect(labels.toSorted((a, b) => a - b)).toEqual(held.map((_, row) => row));
            const scores = labels.map((label) => scoreOf(query, held[label] as Float32Array));
            for (const [rank, score] of scores.entries()) {
              expect(found.distances[at * rows + rank]).toBeCloseTo(score, 4);
              const next = scores[rank + 1] ?? score;
              expect(name === "IndexFlatIP" ? score - next : next - score).toBeGreaterThan(-1e-4);
            }
          }
        }
      }
    },
  );

  test("equal vectors have equal scores, wherever they stand and whatever is asked beside", () => {
    const row = randomVector(random, DIMENSION);
    const index = new faiss[name](DIMENSION);
    for (let at = 0; at < 50; at++) index.add([...row, ...randomVector(random, DIMENSION)]);
    const query = randomVector(random, DIMENSION);
    const scores = new Set<number>();
    for (const count of [1, 2, 4, 5, 20]) {
      const queries = new Float32Array(count * DIMENSION);
      for (let at = 0; at < count; at++) queries.set(query, at * DIMENSION);
      const { distances, labels } = new SearchResults().of(index, queries, count, 100, 0);
      for (let at = 0; at < count * 100; at++)
        if ((labels[at] as number) % 2 === 0) scores.add(distances[at] as number);
    }
    expect(scores.size).toBe(1);
  });

  test("several threads find what one finds", () => {
    const program = `
      const faiss = require(process.argv[1]);
      const index = new faiss[process.argv[2]](64);
      let seed = 7;
      const next = () => (seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5;
      index.addMany(Float32Array.from({ length: 64 * 20001 }, next));
      const queries = Float32Array.from({ length: 64 * 18 }, next);
      const [distances, labels] = [new Float32Array(18 * 30), new Int32Array(18 * 30)];
      index.searchMany(queries, 30, distances, labels, 0);
      process.stdout.write(JSON.stringify([[...labels], [...distances]]));`;
    const [one, four] = ["1", "4"].map((threads) =>
      execFileSync(process.execPath, ["-e", program, requireHere.resolve("faiss-node"), name], {
        env: { ...process.env, OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: "1" },
        encoding: "utf8",
      }),
    );
    expect(four).toBe(one);
  });
});

test.skipIf(!hasSearchMany)(
  "results beyond the rows have the label -1, and a later answer does not show an earlier one",
  () => {
    const index = new faiss.IndexFlatIP(2);
    index.add([1, 0, 0, 1]);
    const results = new SearchResults();
    expect(Array.from(results.of(index, Float32Array.of(1, 0, 0, 1), 2, 2, 0).labels).slice(0, 4)).toEqual([
      0, 1, 1, 0,
    ]);
    expect(Array.from(results.of(index, Float32Array.of(0, 1), 1, 4, 0).labels).slice(0, 4)).toEqual([1, 0, -1, -1]);
    expect(Array.from(results.of(index, Float32Array.of(0, Number.NaN), 1, 1, 0).labels)[0]).toBe(-1);
  },
);

test.skipIf(!hasSearchMany)("arrays that do not fit are refused, and what FAISS throws is an error of the call", () => {
  const index = new faiss.IndexFlatIP(4);
  index.add([1, 0, 0, 0]);
  const search = (queries: number, room: number, k: number) =>
    index.searchMany?.(new Float32Array(queries), k, new Float32Array(room), new Int32Array(room), 0);
  expect(() => search(5, 1, 1)).toThrow(/do not fit/);
  expect(() => search(4, 1, 2)).toThrow(/do not fit/);
  expect(() => search(4, 1, 0)).toThrow(/do not fit/);
  const untrained = faiss.Index.fromFactory(4, "PQ2", 1);
  expect(() => untrained.searchMany?.(new Float32Array(4), 1, new Float32Array(1), new Int32Array(1), 4)).toThrow();
});

test.skipIf(!hasSearchMany)("forty thousand searches leave no memory behind", () => {
  // Before: 4 bytes of each number of each query were never freed, 1.3 GB here.
  const dimension = 8_192;
  const index = new faiss.IndexFlatIP(dimension);
  index.add(new Array<number>(dimension).fill(0.01));
  const query = new Float32Array(dimension).fill(1);
  const results = new SearchResults();
  const before = process.memoryUsage.rss();
  for (let at = 0; at < 40_000; at++) results.of(index, query, 1, 1, 0);
  expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 1024 * 1024);
});
