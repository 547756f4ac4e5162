/**
 * What does one write cost beside a bare commit, and a write of 256 callers beside one of a batch; on a machine that others
 * use too?
 *
 *     npx tsx bench/write-cost.ts [--dimension 384] [--rounds 6] [--single 300] [--many 10000] [--products now=dist,before=/elsewhere/dist]
 *
 * The contenders take turns in blocks, so that a neighbour's load hits all of them. Processor time is exact whatever else runs:
 * that of this process, of the servers and of the index hosts, as `/proc` has it for each thread.
 */
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { floorRows, PostgresFloor } from "./floors/postgres.ts";
import { floorHashes, RedisFloor } from "./floors/redis.ts";
import { startServers } from "./harness/servers.ts";
import { inParallel } from "./support/chunks.ts";
import { type BenchMemory, benchMemories } from "./support/dataset.ts";
import { collectYoungGarbage } from "./support/garbage.ts";
import { newDatabase } from "./support/new-database.ts";
import type { Synchronizer } from "./support/product.ts";
import { verify } from "./support/report.ts";
import { median, quantile } from "./support/statistics.ts";

const { values } = parseArgs({
  options: {
    dimension: { type: "string", default: "384" },
    rounds: { type: "string", default: "6" },
    single: { type: "string", default: "300" },
    many: { type: "string", default: "10000" },
    callers: { type: "string", default: "256" },
    products: { type: "string", default: "now=dist" },
  },
});
const dimension = Number(values.dimension);
const [rounds, single, many, callers] = [values.rounds, values.single, values.many, values.callers].map(Number) as [
  number,
  number,
  number,
  number,
];
/** Single writes in a row of one contender. */
const BLOCK = 50;
/** Milliseconds for marks and the like to end before the next contender. */
const REST_MS = 150;

const servers = await startServers();
const folder = await mkdtemp(join(tmpdir(), "mnemosync-write-cost-"));
const opened: { close(): Promise<unknown> | unknown }[] = [];

interface Contender {
  readonly name: string;
  write(memories: readonly BenchMemory[]): Promise<number[]>;
  readonly bulk?: {
    callers(memories: readonly BenchMemory[]): Promise<void>;
    batch(memories: readonly BenchMemory[]): Promise<void>;
  };
}

async function openProduct(name: string, path: string): Promise<Contender> {
  const { MemorySynchronizer } = await import(pathToFileURL(resolve(path, "index.js")).href);
  const sync: Synchronizer = await MemorySynchronizer.connect({
    postgresUrl: await newDatabase(servers.postgresUrl, name),
    redisUrl: servers.redisUrl,
    redisPrefix: name,
    batchSize: 500,
    faiss: { directory: join(folder, name), dimension },
  });
  opened.push(sync);
  const one = async ({ memoryId, ...fields }: BenchMemory): Promise<void> => {
    const { status } = await sync.syncMemory(memoryId, fields);
    verify(status === "synced", `${memoryId} is ${status}`);
  };
  return {
    name,
    write: (memories) => eachTimed(memories, one),
    bulk: {
      callers: (memories) => inParallel([...memories], callers, one),
      batch: async (memories) => {
        const outcomes = await sync.syncBatch(memories);
        const other = outcomes.find(({ status }) => status !== "synced");
        verify(
          other === undefined,
          `${name}: ${other?.memoryId} is ${other?.status} (${JSON.stringify(other?.reasons)})`,
        );
      },
    },
  };
}

async function openFloors(): Promise<Contender[]> {
  const bare = new PostgresFloor(await newDatabase(servers.postgresUrl, "bare"), 1);
  const inTwo = new PostgresFloor(await newDatabase(servers.postgresUrl, "in_two"), 1);
  await bare.begin();
  await inTwo.begin();
  const redis = new RedisFloor(servers.redisUrl);
  opened.push(bare, inTwo, redis);
  return [
    {
      name: "bare commit",
      write: (memories) => eachTimed(floorRows(memories), (row) => bare.commitOne(row)),
    },
    {
      name: "three round trips",
      write: (memories) => {
        const [rows, hashes] = [floorRows(memories), floorHashes(memories)];
        return eachTimed(
          rows.map((row, at) => ({ row, hash: hashes[at] as (typeof hashes)[number] })),
          async (both) => {
            await inTwo.commitOneInTwo(both.row);
            await redis.write([both.hash]);
          },
        );
      },
    },
  ];
}

async function eachTimed<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (const item of items) {
    const beganAt = performance.now();
    await work(item);
    times.push(performance.now() - beganAt);
  }
  return times;
}

/** Processor time by kind of process, µs an item. */
class Spent {
  readonly #rows: { program: number; postgres: number; redis: number; host: number }[] = [];

  async during<T>(count: number, counts: boolean, work: () => Promise<T>): Promise<T> {
    const before = serverTimes();
    const own = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(own);
    await pause(REST_MS); // What is put off until after the answer belongs to it.
    const after = serverTimes();
    if (counts) {
      const each = (kind: keyof typeof after): number => (after[kind] - before[kind]) / 1_000 / count;
      this.#rows.push({
        program: (user + system) / count,
        postgres: each("postgres"),
        redis: each("redis"),
        host: each("host"),
      });
    }
    return result;
  }

  toString(): string {
    const of = (kind: "program" | "postgres" | "redis" | "host"): number => median(this.#rows.map((row) => row[kind]));
    const parts = (["program", "postgres", "redis", "host"] as const).map((kind) => `${kind} ${of(kind).toFixed(0)}`);
    const sum = median(this.#rows.map((row) => row.program + row.postgres + row.redis + row.host));
    return `${parts.join(", ")}, together ${sum.toFixed(0)}`;
  }
}

function serverTimes(): { postgres: number; redis: number; host: number } {
  const times = { postgres: 0, redis: 0, host: 0 };
  for (const pid of below(process.pid)) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      const kind = /faiss-host|faiss\/host\/main/.test(command)
        ? "host"
        : command.includes("redis-server")
          ? "redis"
          : "postgres";
      for (const task of readdirSync(`/proc/${pid}/task`)) {
        times[kind] += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1").split(" ")[0]);
      }
    } catch {
      // It ended in between.
    }
  }
  return times;
}

function below(root: number): number[] {
  const children = readdirSync(`/proc/${root}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${root}/task/${task}/children`, "latin1").split(" ").filter(Boolean).map(Number);
    } catch {
      return [];
    }
  });
  return children.flatMap((pid) => [pid, ...below(pid)]);
}

async function measure(): Promise<void> {
  const contenders = await openFloors();
  for (const item of values.products.split(",")) {
    const [name, path] = item.split("=") as [string, string];
    contenders.push(await openProduct(name, path));
  }
  const times = new Map<string, number[]>();
  const spent = new Map<string, Spent>();
  const spentOf = (name: string): Spent => spent.get(name) ?? spent.set(name, new Spent()).get(name) ?? new Spent();
  const rates = new Map<string, number[]>();
  let next = 0;
  const take = (count: number): BenchMemory[] => {
    next += count;
    return benchMemories(next - count, next, 0, dimension);
  };
  for (let round = 0; round <= rounds; round++) {
    const isWarm = round > 0;
    for (let block = 0; block < single / BLOCK; block++) {
      const memories = take(BLOCK);
      const turn = (block + round) % contenders.length;
      for (const { name, write } of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
        const found = await spentOf(`${name}, one`).during(BLOCK, isWarm, () => write(memories));
        if (isWarm) times.set(name, [...(times.get(name) ?? []), ...found]);
      }
    }
    for (const kind of many === 0 ? [] : (["callers", "batch"] as const)) {
      const memories = take(many);
      for (const { name, bulk } of contenders) {
        if (bulk === undefined) continue;
        collectYoungGarbage();
        const label = `${name}, ${kind}`;
        await spentOf(label).during(many, isWarm, async () => {
          const beganAt = performance.now();
          await bulk[kind](memories);
          const rate = (many / (performance.now() - beganAt)) * 1_000;
          if (isWarm) rates.set(label, [...(rates.get(label) ?? []), rate]);
        });
      }
    }
  }
  const floor = times.get("bare commit") ?? [];
  for (const [name, found] of times) {
    const line = [0.05, 0.25, 0.5, 0.95, 0.99].map((share) => {
      const value = quantile(found, share);
      return `p${share * 100} ${value.toFixed(3)} ms (${(value / quantile(floor, share)).toFixed(2)})`;
    });
    console.log(`${name.padEnd(18)} ${line.join(", ")}`);
  }
  for (const [label, found] of rates)
    console.log(
      `${label.padEnd(18)} ${median(found).toFixed(0)} memories/s (${found.map((rate) => rate.toFixed(0)).join(" ")})`,
    );
  for (const { name, bulk } of contenders) {
    if (bulk === undefined || many === 0) continue;
    const ratios = (rates.get(`${name}, callers`) ?? []).map(
      (rate, at) => rate / (rates.get(`${name}, batch`)?.[at] ?? Number.NaN),
    );
    console.log(
      `${name.padEnd(18)} callers beside batch: ${median(ratios).toFixed(3)} (${ratios.map((ratio) => ratio.toFixed(2)).join(" ")})`,
    );
  }
  for (const [label, sum] of spent) console.log(`${label.padEnd(26)} processor time, µs a write: ${sum}`);
}

try {
  await measure();
} finally {
  for (const closing of opened.reverse()) await closing.close();
  await servers.close();
  await rm(folder, { recursive: true, force: true });
}
