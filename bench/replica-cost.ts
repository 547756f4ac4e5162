/**
 * What does replication cost for each memory, and what does it cost the calls of its primary; on a machine that others use too?
 *
 *     npx tsx bench/replica-cost.ts [--dimension 384] [--rounds 5] [--memories 5000] [--seconds 4] [--perSecond 1000] [--call 100] [--products now=dist,before=/elsewhere/dist]
 *
 * The products take turns. Processor time is exact whatever else runs, and is told apart: the program (all threads of this
 * process), the primary's server, the replica's server. `--seconds 0` leaves out the calls under load; with
 * few memories a call (`--call 1 --perSecond 10`) those tell what a pass costs that has next to nothing to do.
 */
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { startEmbeddedPostgres } from "../src/dev/postgres-server.ts";
import { startServers } from "./harness/servers.ts";
import { chunksOf } from "./support/chunks.ts";
import { type BenchMemory, benchMemories } from "./support/dataset.ts";
import { newDatabase } from "./support/new-database.ts";
import type { Synchronizer } from "./support/product.ts";
import { verify } from "./support/report.ts";
import { median, quantile } from "./support/statistics.ts";

const { values } = parseArgs({
  options: {
    dimension: { type: "string", default: "384" },
    rounds: { type: "string", default: "5" },
    memories: { type: "string", default: "5000" },
    seconds: { type: "string", default: "4" },
    perSecond: { type: "string", default: "1000" },
    call: { type: "string", default: "100" },
    products: { type: "string", default: "now=dist" },
  },
});
const dimension = Number(values.dimension);
const [rounds, count, seconds, perSecond] = [values.rounds, values.memories, values.seconds, values.perSecond].map(
  Number,
) as [number, number, number, number];
/** Memories of a call under load. */
const CALL = Number(values.call);
const DEADLINE_MS = 120_000;

const servers = await startServers();
const replicaServer = await startEmbeddedPostgres();
const folder = await mkdtemp(join(tmpdir(), "mnemosync-replica-cost-"));
const opened: { close(): Promise<unknown> | unknown }[] = [];
const trees = {
  primary: await postmasterOf(servers.postgresUrl),
  replica: await postmasterOf(replicaServer.url),
};

interface Contender {
  readonly name: string;
  readonly sync: Synchronizer;
  readonly primary: postgres.Sql;
  readonly replica: postgres.Sql;
}

interface Spent {
  readonly program: number;
  readonly primary: number;
  readonly replica: number;
}

const PARTS = ["program", "primary", "replica"] as const;

async function postmasterOf(url: string): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  const [row] = await sql`select current_setting('data_directory') as folder`;
  await sql.end();
  return Number(readFileSync(join(row?.folder, "postmaster.pid"), "utf8").split("\n")[0]);
}

/** Microseconds of the processor so far. Backends that have ended are not counted: connections stay open during a measurement. */
function spentSoFar(): Spent {
  const { user, system } = process.cpuUsage();
  return { program: user + system, primary: treeTime(trees.primary), replica: treeTime(trees.replica) };
}

function treeTime(root: number): number {
  let nanoseconds = 0;
  for (const pid of [root, ...below(root)]) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[0]);
    } catch {
      // It ended in between.
    }
  }
  return nanoseconds / 1_000;
}

function below(root: number): number[] {
  const children = readdirSync(`/proc/${root}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${root}/task/${task}/children`, "latin1").split(" ").filter(Boolean).map(Number);
    } catch {
      return []; // It ended in between.
    }
  });
  return children.flatMap((pid) => [pid, ...below(pid)]);
}

async function openProduct(name: string, path: string): Promise<Contender> {
  const { MemorySynchronizer, createLog } = await import(pathToFileURL(resolve(path, "index.js")).href);
  const replicaUrl = await newDatabase(replicaServer.url, name);
  const postgresUrl = await newDatabase(servers.postgresUrl, name);
  const sync: Synchronizer = await MemorySynchronizer.connect({
    ...{ postgresUrl, redisUrl: servers.redisUrl, redisPrefix: name, batchSize: 500, log: createLog("error") },
    faiss: { directory: join(folder, name), dimension },
    replica: { enabled: true, postgresUrl: replicaUrl },
  });
  const clients = [postgresUrl, replicaUrl].map((url) => postgres(url, { max: 1, onnotice: () => undefined }));
  const [primary, replica] = clients as [postgres.Sql, postgres.Sql];
  opened.push({ close: () => Promise.all(clients.map((client) => client.end({ timeout: 5 }))) }, sync);
  const contender = { name, sync, primary, replica };
  sync.start();
  await until(async () => (await sync.replica.status()).phase === "following", "does not begin");
  await paused(contender);
  return contender;
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + DEADLINE_MS; !(await holds()); ) {
    verify(performance.now() < end, `the replica ${what}`);
    await pause(20);
  }
}

async function paused({ sync }: Contender): Promise<void> {
  await sync.replica.pause();
  await until(async () => (await sync.replica.status()).state === "paused", "does not pause");
}

async function caughtUp({ primary, replica }: Contender): Promise<void> {
  const [last] = await primary`
    select b.xid::text as xid, b.seq::text as seq from mnemosync.memory_bodies b order by b.xid desc, b.seq desc limit 1`;
  await until(async () => {
    const [row] = await replica`
      select (xid, seq) >= (${last?.xid}::text::xid8, ${last?.seq}::text::bigint) as there from mnemosync.replica_cursor`;
    return row?.there === true;
  }, "does not catch up");
}

async function write({ name, sync }: Contender, memories: readonly BenchMemory[]): Promise<void> {
  const outcomes = await sync.syncBatch(memories);
  const other = outcomes.find(({ status }) => status !== "synced");
  verify(other === undefined, `${name}: ${other?.memoryId} is ${other?.status}`);
}

/** Of all servers: what was put off until after an answer must not be paid for by the next one. */
async function atRest(): Promise<void> {
  globalThis.gc?.();
  for (let before = spentSoFar(), quiet = 0, looks = 0; quiet < 2 && looks < 50; looks++) {
    await pause(60);
    const after = spentSoFar();
    quiet = after.primary + after.replica - before.primary - before.replica < 3_000 ? quiet + 1 : 0;
    before = after;
  }
}

class Figures {
  readonly #rows = new Map<string, { spent: Spent[]; figures: Map<string, number[]> }>();

  add(label: string, spent: Spent, figures: Readonly<Record<string, number>>): void {
    const row = this.#rows.get(label) ?? { spent: [] as Spent[], figures: new Map<string, number[]>() };
    this.#rows.set(label, row);
    row.spent.push(spent);
    for (const [name, figure] of Object.entries(figures))
      row.figures.set(name, [...(row.figures.get(name) ?? []), figure]);
  }

  print(): void {
    for (const [label, { spent, figures }] of this.#rows) {
      const parts = PARTS.map((part) => `${part} ${spread(spent.map((each) => each[part]))}`);
      const sum = spread(spent.map((each) => each.program + each.primary + each.replica));
      const others = [...figures].map(([name, found]) => `${name} ${spread(found, 1)}`);
      console.log(`${label.padEnd(28)} µs a memory: ${parts.join(", ")}, together ${sum}; ${others.join(", ")}`);
    }
  }
}

function spread(found: readonly number[], digits = 0): string {
  const [least, most] = [Math.min(...found), Math.max(...found)].map((value) => value.toFixed(digits));
  return `${median([...found]).toFixed(digits)} (${least}–${most})`;
}

/** What is written while replication is paused is replicated at once then. */
async function backlog(contender: Contender, memories: readonly BenchMemory[]): Promise<[Spent, number]> {
  await write(contender, memories);
  await contender.primary.unsafe("checkpoint");
  await contender.replica.unsafe("checkpoint");
  await atRest();
  const { lag } = await contender.sync.replica.status();
  verify((lag?.changes ?? 0) >= memories.length, `${contender.name}: replicated while it was paused`);
  const before = spentSoFar();
  const beganAt = performance.now();
  await contender.sync.replica.resume();
  await caughtUp(contender);
  const rate = (memories.length / (performance.now() - beganAt)) * 1_000;
  const after = spentSoFar();
  await paused(contender);
  return [between(before, after, memories.length), rate];
}

function between(before: Spent, after: Spent, items: number): Spent {
  const each = (part: (typeof PARTS)[number]): number => (after[part] - before[part]) / items;
  return { program: each("program"), primary: each("primary"), replica: each("replica") };
}

/** Calls at a pace, and how long each takes. */
async function load(contender: Contender, memories: readonly BenchMemory[]): Promise<[Spent, number[]]> {
  const times: number[] = [];
  await atRest();
  const before = spentSoFar();
  const beganAt = performance.now();
  for (const [at, batch] of chunksOf(memories, CALL).entries()) {
    await pause(Math.max(0, beganAt + (at * CALL * 1_000) / perSecond - performance.now()));
    const calledAt = performance.now();
    await write(contender, batch);
    times.push(performance.now() - calledAt);
  }
  const after = spentSoFar();
  return [between(before, after, memories.length), times];
}

async function measure(): Promise<void> {
  const contenders: Contender[] = [];
  for (const item of values.products.split(","))
    contenders.push(await openProduct(...(item.split("=") as [string, string])));
  const figures = new Figures();
  let next = 0;
  const take = (many: number): BenchMemory[] => {
    next += many;
    return benchMemories(next - many, next, 0, dimension);
  };
  for (let round = 0; round <= rounds; round++) {
    const first = next;
    const fresh = take(count);
    const changed = benchMemories(first, first + count, 1, dimension);
    const paced = seconds === 0 ? [] : take(Math.ceil((seconds * perSecond) / CALL) * CALL);
    const turn = round % contenders.length;
    for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
      const { name, sync } = contender;
      for (const [kind, memories] of [
        ["new", fresh],
        ["changed", changed],
      ] as const) {
        const [spent, rate] = await backlog(contender, memories);
        if (round > 0) figures.add(`${name}, ${kind}`, spent, { "memories/s": rate });
      }
      for (const replicates of paced.length === 0 ? [] : [false, true]) {
        if (replicates) await sync.replica.resume();
        const half = paced.slice(replicates ? paced.length / 2 : 0, replicates ? undefined : paced.length / 2);
        const [spent, times] = await load(contender, half);
        if (round > 0) {
          const label = `${name}, calls ${replicates ? "with" : "without"}`;
          figures.add(label, spent, { p50: quantile(times, 0.5), p95: quantile(times, 0.95) });
        }
        // What was written without it is replicated before the calls with it.
        await sync.replica.resume();
        await caughtUp(contender);
        if (replicates) await paused(contender);
      }
      const found = await sync.replica.verify();
      verify(found.clean, `${name}: the replica differs`);
    }
  }
  figures.print();
}

try {
  await measure();
} finally {
  for (const closing of opened.reverse()) await closing.close();
  await Promise.all([servers.close(), replicaServer.close()]);
  await rm(folder, { recursive: true, force: true });
}
