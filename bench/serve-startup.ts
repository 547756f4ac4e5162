/**
 * Question: how long does the service take from its start to its first 200 of /readyz on existing data, how much of that
 * is Node and the index, and how much memory does it hold?
 *
 *     npm run build && node --import tsx bench/serve-startup.ts [--memories 10000] [--dimension 384] [--rounds 5]
 *
 * The service is a process of its own (dist/). Each round starts it on the same data, asks /readyz until it answers 200,
 * reads one memory to prove that it works, reads the resident memory of the process and of its FAISS host after a second
 * of rest, and stops it. `cpu` is the processor time of both processes until then, which another load changes little.
 * `floor`: Node and what every command loads, measured by `--version`. `index`: from the log, the time between the FAISS
 * host's snapshot and the index being up to date.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openServices } from "../src/dev/services.ts";
import { createKey } from "../src/http/keys.ts";
import { MemorySynchronizer } from "../src/index.ts";

const { values } = parseArgs({
  options: { memories: { type: "string" }, dimension: { type: "string" }, rounds: { type: "string" } },
});
const memories = Number(values.memories ?? 10_000);
const dimension = Number(values.dimension ?? 384);
const rounds = Number(values.rounds ?? 5);
const PROGRAM = fileURLToPath(new URL("../dist/program/main.js", import.meta.url));
if (!existsSync(PROGRAM)) throw new Error("dist/ is missing: npm run build");

function memory(number: number) {
  const embedding = Float32Array.from({ length: dimension }, (_, index) => Math.sin(number * 31 + index * 7));
  return { memoryId: `m${number}`, content: `memory number ${number}`, memoryType: "episodic", embedding };
}

async function rssOf(processId: number): Promise<number> {
  const status = await readFile(`/proc/${processId}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
}

/** Milliseconds of processor time so far. */
async function cpuOf(processId: number): Promise<number> {
  const stat = await readFile(`/proc/${processId}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10; // Ticks are hundredths of a second.
}

async function childrenOf(processId: number): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === processId) found.push(Number(name));
  }
  return found;
}

async function floorMs(): Promise<number> {
  const startedAt = performance.now();
  await once(spawn(process.execPath, [PROGRAM, "--version"], { stdio: "ignore" }), "exit");
  return performance.now() - startedAt;
}

interface Round {
  readonly floor: number;
  readonly ready: number;
  readonly cpu: number;
  readonly index: number;
  readonly rss: number;
  readonly hostRss: number;
}

async function round(environment: Record<string, string>, key: string): Promise<Round> {
  const floor = await floorMs();
  const startedAt = performance.now();
  const child = spawn(process.execPath, [PROGRAM, "serve", "--log-level", "info"], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const url = `http://127.0.0.1:${environment.MNEMOSYNC_HTTP_PORT}`;
  let ready = 0;
  while (ready === 0) {
    if (child.exitCode !== null) throw new Error(`the service ended: ${output}`);
    const response = await fetch(`${url}/readyz`).catch(() => null);
    if (response?.status === 200) ready = performance.now() - startedAt;
    else await pause(5);
  }
  const hostIds = await childrenOf(child.pid as number);
  const cpus = await Promise.all([child.pid as number, ...hostIds].map(cpuOf));
  const cpu = cpus.reduce((sum, one) => sum + one, 0);
  const found = await fetch(`${url}/v1/namespaces/default/memories/m7`, {
    headers: { authorization: `Bearer ${key}` },
  });
  if (found.status !== 200) throw new Error(`m7: ${found.status} ${await found.text()}`);
  await pause(1_000);
  const rss = await rssOf(child.pid as number);
  const hosts = await Promise.all(hostIds.map(rssOf));
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
  const events = output.split("\n").filter((line) => line.startsWith("{"));
  const times = events.map((line) => JSON.parse(line) as { time: number; msg: string });
  const upToDate = times.find(({ msg }) => msg === "index.caught_up")?.time;
  const loaded = times.find(({ msg }) => msg === "index.snapshot_loaded" || msg === "index.rebuild_started")?.time;
  const index = upToDate !== undefined && loaded !== undefined ? upToDate - loaded : Number.NaN;
  return { floor, ready, cpu, index, rss, hostRss: Math.max(0, ...hosts) };
}

const services = await openServices({ log: console.error });
const folder = await mkdtemp(join(tmpdir(), "mnemosync-bench-"));
try {
  const { key, entry } = createKey({ id: "bench", scope: "admin", namespaces: "*" });
  const keysFile = join(folder, "keys.json");
  await writeFile(keysFile, JSON.stringify({ keys: [entry] }));
  const faiss = { directory: join(folder, "faiss"), dimension };
  const sync = await MemorySynchronizer.connect({
    postgresUrl: services.postgresUrl,
    redisUrl: services.redisUrl,
    redisPrefix: "bench",
    faiss,
  });
  const outcomes = await sync.syncBatch(Array.from({ length: memories }, (_, number) => memory(number)));
  if (outcomes.some(({ status }) => status !== "synced")) throw new Error("the data did not arrive everywhere");
  await sync.close();
  const environment = {
    MNEMOSYNC_POSTGRES_URL: services.postgresUrl,
    MNEMOSYNC_REDIS_URL: services.redisUrl,
    MNEMOSYNC_REDIS_PREFIX: "bench",
    MNEMOSYNC_FAISS_DIRECTORY: faiss.directory,
    MNEMOSYNC_FAISS_DIMENSION: String(dimension),
    MNEMOSYNC_EMBEDDING_PROVIDER: "none",
    MNEMOSYNC_HTTP_PORT: String(20_000 + Math.floor(Math.random() * 10_000)),
    MNEMOSYNC_HTTP_KEYS_FILE: keysFile,
  };
  await round(environment, key); // Warms the page cache.
  const all: Round[] = [];
  for (let turn = 0; turn < rounds; turn++) all.push(await round(environment, key));
  console.log(`${memories} memories, ${dimension}-d, ${rounds} rounds; milliseconds and MB`);
  for (const name of ["floor", "ready", "cpu", "index", "rss", "hostRss"] as const) {
    const figures = all.map((figure) => figure[name]).sort((a, b) => a - b);
    const median = figures[figures.length >> 1] as number;
    console.log(`${name.padEnd(8)} median ${median.toFixed(0).padStart(6)}   worst ${figures.at(-1)?.toFixed(0)}`);
  }
} finally {
  await services.close();
  await rm(folder, { recursive: true, force: true });
}
