/**
 * What does the repair of memories that are older in Redis, or missing there, cost beside a batch that writes as many; on a
 * machine that others use too?
 *
 *     npx tsx bench/repair-cost.ts [--stored 20000] [--damaged 5000] [--rounds 6] [--kinds stale,missing,batch]
 *       [--dimension 384] [--products now=dist,before=/elsewhere/dist] [--profiles DIR]
 *
 * The products take turns. `program` is this process with all of its threads, without the check that found the damage. With
 * `--profiles` each kind of each product has a profile of its last round.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import postgres from "postgres";
import { startServers } from "./harness/servers.ts";
import { chunksOf } from "./support/chunks.ts";
import { benchMemory } from "./support/dataset.ts";
import { collectYoungGarbage } from "./support/garbage.ts";
import { newDatabase } from "./support/new-database.ts";
import type { Synchronizer } from "./support/product.ts";
import { verify } from "./support/report.ts";
import { median } from "./support/statistics.ts";
import { loadSynthetic } from "./support/synthetic.ts";
import { commandOf, processesBelow, threadTimes } from "./support/thread-times.ts";

const { values } = parseArgs({
  options: {
    stored: { type: "string", default: "20000" },
    damaged: { type: "string", default: "5000" },
    rounds: { type: "string", default: "6" },
    dimension: { type: "string", default: "384" },
    kinds: { type: "string", default: "stale,missing,batch" },
    products: { type: "string", default: "now=dist" },
    profiles: { type: "string" },
  },
});
const [stored, damaged, rounds, dimension] = [values.stored, values.damaged, values.rounds, values.dimension].map(
  Number,
) as [number, number, number, number];
const kinds = values.kinds.split(",") as Kind[];
/** Milliseconds for marks and the like to end before the next turn. */
const REST_MS = 200;
const PARTS = ["program", "postgres", "redis", "host"] as const;

type Kind = "stale" | "missing" | "batch";
type Times = Record<(typeof PARTS)[number], number>;

const numbers = Array.from({ length: damaged }, (_, at) => Math.floor((at * stored) / damaged));
const servers = await startServers();
const folder = await mkdtemp(join(tmpdir(), "mnemosync-repair-cost-"));
const redis = new Redis(servers.redisUrl);
const opened: { close(): Promise<unknown> }[] = [];
let revision = 0;
let isProfiled = false;

interface Product {
  readonly name: string;
  readonly sync: Synchronizer;
}

async function open(name: string, path: string): Promise<Product> {
  const { MemorySynchronizer, createLog } = await import(pathToFileURL(resolve(path, "index.js")).href);
  const postgresUrl = await newDatabase(servers.postgresUrl, `repair_${name}`);
  const options = {
    postgresUrl,
    redisUrl: servers.redisUrl,
    redisPrefix: name,
    batchSize: 500,
    log: createLog("error"),
  };
  const connect = (): Promise<Synchronizer> =>
    MemorySynchronizer.connect({ ...options, faiss: { directory: join(folder, name), dimension } });
  await (await connect()).close(); // Its tables.
  const sql = postgres(postgresUrl, { max: 1, onnotice: () => undefined });
  await loadSynthetic(sql, servers.redisUrl, name, { dimension, from: 0, to: stored });
  await sql.end({ timeout: 5 });
  const sync = await connect();
  opened.push(sync);
  return { name, sync };
}

async function write({ name, sync }: Product): Promise<[Times, number]> {
  revision++;
  const inputs = numbers.map((number) => benchMemory(number, revision, dimension));
  return await timed(`${name}-batch`, async () => {
    const other = (await sync.syncBatch(inputs)).find(({ status }) => status !== "synced");
    verify(other === undefined, `${other?.memoryId} is ${other?.status}`);
  });
}

async function repair({ name, sync }: Product, kind: "stale" | "missing"): Promise<[Times, number]> {
  const keys = numbers.map((number) => `${name}:memory:default:memory-${number}`);
  for (const chunk of chunksOf(keys, 1_000)) {
    const pipeline = redis.pipeline();
    for (const key of chunk) {
      if (kind === "missing") pipeline.del(key);
      else pipeline.hset(key, "version", 1, "checksum", "0".repeat(64));
    }
    await pipeline.exec();
  }
  const report = await sync.checkConsistency();
  const found = report.findings.filter((finding) => finding.kind === kind).length;
  verify(found === damaged && report.findings.length === damaged, `${found} of ${damaged} are ${kind}`);
  const spent = await timed(`${name}-${kind}`, async () => {
    const { repaired } = await sync.repairInconsistencies(report);
    verify(repaired === damaged, `${repaired} of ${damaged} are repaired`);
  });
  verify((await sync.checkConsistency()).clean, "not clean after the repair");
  return spent;
}

/** @returns µs of the processor a memory, and memories a second. */
async function timed(name: string, work: () => Promise<void>): Promise<[Times, number]> {
  collectYoungGarbage();
  await pause(REST_MS);
  const before = times();
  const beganAt = performance.now();
  await (isProfiled ? profiled(name, work) : work());
  const ms = performance.now() - beganAt;
  const { program } = times();
  await pause(REST_MS); // What is put off until after the answer belongs to it.
  const after = { ...times(), program };
  const each = (part: keyof Times): number => (after[part] - before[part]) / 1_000 / damaged;
  return [Object.fromEntries(PARTS.map((part) => [part, each(part)])) as Times, (damaged / ms) * 1_000];
}

function times(): Times {
  const found = { program: threadTimes(process.pid), postgres: 0, redis: 0, host: 0 };
  for (const id of processesBelow(process.pid)) {
    const command = commandOf(id);
    if (/faiss-host|faiss\/host\/main/.test(command)) found.host += threadTimes(id);
    else if (command.includes("redis-server")) found.redis += threadTimes(id);
    else if (command.includes("postgres") && !command.includes("node")) found.postgres += threadTimes(id);
  }
  return found;
}

async function profiled(name: string, work: () => Promise<void>): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: 200 });
  await session.post("Profiler.start");
  await work();
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  await mkdir(values.profiles as string, { recursive: true });
  await writeFile(join(values.profiles as string, `${name}.cpuprofile`), JSON.stringify(profile));
}

function line(label: string, found: readonly [Times, number][]): string {
  const sums = found.map(([spent]) => PARTS.reduce((sum, part) => sum + spent[part], 0));
  const parts = PARTS.map((part) => `${part} ${median(found.map(([spent]) => spent[part])).toFixed(0)}`);
  const spread = `${Math.min(...sums).toFixed(0)}–${Math.max(...sums).toFixed(0)}`;
  const perSecond = median(found.map(([, rate]) => rate)).toFixed(0);
  return `${label.padEnd(18)} ${parts.join(", ")}, together ${median(sums).toFixed(0)} (${spread}); ${perSecond}/s`;
}

try {
  const products: Product[] = [];
  for (const item of values.products.split(",")) {
    const [name, path] = item.split("=") as [string, string];
    products.push(await open(name, path));
    await write(products.at(-1) as Product); // From version 2 on, an entry of version 1 is older.
  }
  const found = new Map<string, [Times, number][]>();
  for (let round = 0; round <= rounds; round++) {
    for (const kind of kinds) {
      for (const product of round % 2 === 0 ? products : products.toReversed()) {
        const label = `${product.name}, ${kind}`;
        isProfiled = values.profiles !== undefined && round === rounds;
        const spent = await (kind === "batch" ? write(product) : repair(product, kind));
        if (round > 0) found.set(label, [...(found.get(label) ?? []), spent]); // The first one warms up.
      }
    }
  }
  for (const [label, spent] of found) console.log(line(label, spent));
} finally {
  for (const closing of opened.reverse()) await closing.close();
  redis.disconnect();
  await servers.close();
  await rm(folder, { recursive: true, force: true });
}
