/**
 * What does one search cost beside FAISS in the process, and 32 at once; on a machine that others use too?
 *
 *     OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 npx tsx bench/search-cost.ts [--count 10000] [--queries 200] [--rounds 5] [--products now=dist,before=/elsewhere/dist]
 *
 * The contenders take turns after every 20 searches, so that a neighbour's load hits all of them. The quickest searches (5th
 * percentile) say most: a search that nobody disturbed. Processor time is exact whatever else runs.
 */
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { projectVector } from "../src/stores/faiss/protocol/metric.ts";
import { FaissFloor } from "./floors/faiss.ts";
import { startServers } from "./harness/servers.ts";
import { chunksOf, inParallel } from "./support/chunks.ts";
import { benchVector } from "./support/dataset.ts";
import type { Synchronizer } from "./support/product.ts";
import { verify } from "./support/report.ts";
import { quantile } from "./support/statistics.ts";
import { loadSynthetic, syntheticVector } from "./support/synthetic.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "10000" },
    dimension: { type: "string", default: "384" },
    queries: { type: "string", default: "200" },
    rounds: { type: "string", default: "5" },
    "at-once": { type: "string", default: "32" },
    products: { type: "string", default: "now=dist" },
  },
});
const count = Number(values.count);
const dimension = Number(values.dimension);
const atOnce = Number(values["at-once"]);
const K = 10;
const PREFIX = "bench";
/** Searches in a row: after a search of FAISS in this process, the next one finds the processor's caches cold. */
const BLOCK = 20;

interface Contender {
  readonly name: string;
  search(query: Float32Array): Promise<readonly string[]>;
  searchAtOnce(queries: readonly Float32Array[]): Promise<unknown>;
  readonly hostPid: number | null;
}

const servers = await startServers();
const folder = await mkdtemp(join(tmpdir(), "mnemosync-search-cost-"));
const opened: Synchronizer[] = [];
const floor = new FaissFloor(dimension);
let redisPid: number | null | undefined;

async function measureAll(): Promise<void> {
  const contenders: Contender[] = [];
  let isLoaded = false;
  for (const item of values.products.split(",")) {
    const [name, path] = item.split("=") as [string, string];
    const { MemorySynchronizer } = await import(pathToFileURL(resolve(path, "index.js")).href);
    const connect = async (): Promise<Synchronizer> =>
      await MemorySynchronizer.connect({
        postgresUrl: servers.postgresUrl,
        redisUrl: servers.redisUrl,
        redisPrefix: PREFIX,
        nodeId: name,
        faiss: { directory: join(folder, name), dimension },
      });
    if (!isLoaded) {
      await (await connect()).close(); // Makes the schema.
      const sql = postgres(servers.postgresUrl, { max: 2, onnotice: () => undefined });
      await loadSynthetic(sql, servers.redisUrl, PREFIX, { dimension, from: 0, to: count });
      await sql.end();
      isLoaded = true;
    }
    const before = new Set(hostPids());
    const sync = await connect();
    opened.push(sync);
    const [hostPid = null] = hostPids().filter((pid) => !before.has(pid));
    const search = async (query: Float32Array): Promise<string[]> =>
      (await sync.search(query, { k: K })).map(({ memory }) => memory.memoryId);
    contenders.push({ name, hostPid, search, searchAtOnce: (queries) => inParallel([...queries], atOnce, search) });
  }
  const numbers = Array.from({ length: count }, (_, at) => at);
  for (const chunk of chunksOf(numbers, 2_000)) {
    floor.add(chunk.map((number) => projectVector("cosine", syntheticVector(number, dimension))));
  }
  contenders.push({
    name: "FAISS",
    hostPid: null,
    search: async (query) => (floor.search([query], K)[0] ?? []).map((row) => `memory-${row}`),
    searchAtOnce: async (queries) => {
      for (const chunk of chunksOf([...queries], atOnce)) floor.search(chunk, K);
    },
  });
  const queries = Array.from({ length: Number(values.queries) }, (_, at) => benchVector(`query ${at}`, dimension));
  const times = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  const blocks = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  const paid = new Map(contenders.map(({ name }) => [name, { single: new Spent(), atOnce: new Spent() }]));
  for (let round = 0; round <= Number(values.rounds); round++) {
    const isWarm = round > 0;
    for (const [block, chunk] of chunksOf(queries, BLOCK).entries()) {
      const found: string[] = [];
      const turn = (block + round) % contenders.length;
      for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
        let ids = "";
        const spent = paid.get(contender.name)?.single.begin(contender.hostPid);
        for (const query of chunk) {
          const started = performance.now();
          const hits = await contender.search(query);
          if (isWarm) times.get(contender.name)?.push(performance.now() - started);
          ids += ` ${[...hits].sort().join()}`;
        }
        spent?.(isWarm ? chunk.length : 0);
        found.push(ids);
      }
      verify(new Set(found).size === 1, `different answers: ${found.join(" | ")}`);
    }
    for (const [block, chunk] of chunksOf(queries, atOnce * 3).entries()) {
      const turn = (block + round) % contenders.length;
      for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
        const spent = paid.get(contender.name)?.atOnce.begin(contender.hostPid);
        const started = performance.now();
        await contender.searchAtOnce(chunk);
        if (isWarm) blocks.get(contender.name)?.push(((performance.now() - started) / chunk.length) * 1_000);
        spent?.(isWarm ? chunk.length : 0);
      }
    }
  }
  report(contenders, times, blocks, paid);
}

function report(
  contenders: readonly Contender[],
  times: ReadonlyMap<string, number[]>,
  blocks: ReadonlyMap<string, number[]>,
  paid: ReadonlyMap<string, { single: Spent; atOnce: Spent }>,
): void {
  const of = (figures: ReadonlyMap<string, number[]>, name: string, share: number): number =>
    quantile(figures.get(name) ?? [], share);
  console.log(`${count} memories of ${dimension} numbers, ${K} hits; times of FAISS in brackets`);
  for (const { name } of contenders) {
    const line = [0.05, 0.25, 0.5, 0.95].map((share) => {
      const value = of(times, name, share);
      return `p${share * 100} ${value.toFixed(3)} ms (${(value / of(times, "FAISS", share)).toFixed(2)})`;
    });
    console.log(`${name.padEnd(10)} one at a time: ${line.join(", ")}`);
  }
  for (const { name } of contenders) {
    const line = [0.05, 0.25, 0.5].map((share) => {
      const value = of(blocks, name, share);
      return `p${share * 100} ${value.toFixed(0)} µs each (${(of(blocks, "FAISS", share) / value).toFixed(2)} of its rate)`;
    });
    console.log(`${name.padEnd(10)} ${atOnce} at once: ${line.join(", ")}`);
  }
  for (const { name } of contenders) {
    const spent = paid.get(name);
    console.log(`${name.padEnd(10)} processor time, µs a search: one ${spent?.single}; at once ${spent?.atOnce}`);
  }
}

/** Processor time of searches. */
class Spent {
  #program = 0;
  #host = 0;
  #redis = 0;
  #count = 0;

  begin(hostPid: number | null): (count: number) => void {
    const [host, redis] = [hostPid === null ? 0 : runNanoseconds(hostPid), redisNanoseconds()];
    const program = process.cpuUsage(); // Last: reading /proc is no part of a search.
    return (count) => {
      const { user, system } = process.cpuUsage(program);
      if (count === 0) return;
      this.#program += user + system;
      if (hostPid !== null) this.#host += (runNanoseconds(hostPid) - host) / 1_000;
      this.#redis += (redisNanoseconds() - redis) / 1_000;
      this.#count += count;
    };
  }

  toString(): string {
    const each = (sum: number): string => (sum / this.#count).toFixed(0);
    return `program ${each(this.#program)}, host ${each(this.#host)}, Redis ${each(this.#redis)}`;
  }
}

function redisNanoseconds(): number {
  redisPid ??= childrenOf(process.pid).find((pid) => commandOf(pid).includes("redis-server")) ?? null;
  return redisPid === null ? 0 : runNanoseconds(redisPid);
}

function hostPids(): number[] {
  return childrenOf(process.pid).filter((pid) => /faiss-host|faiss\/host\/main/.test(commandOf(pid)));
}

function childrenOf(parent: number): number[] {
  return readdirSync(`/proc/${parent}/task`).flatMap((task) =>
    readFileSync(`/proc/${parent}/task/${task}/children`, "latin1").split(" ").filter(Boolean).map(Number),
  );
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
}

/** All threads'. */
function runNanoseconds(pid: number): number {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1").split(" ")[0]);
  }
  return sum;
}

try {
  await measureAll();
} finally {
  for (const sync of opened) await sync.close();
  floor.close();
  await servers.close();
  await rm(folder, { recursive: true, force: true });
}
