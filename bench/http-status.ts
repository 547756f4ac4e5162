/**
 * Question: how long do the status endpoints take while the service is busy writing?
 *
 *     npm run build && node --import tsx bench/http-status.ts [--seconds 26] [--writers 16] [--memories 10000]
 *         [--writes-per-second 0]
 *
 * Three processes, on real servers: the service (dist/), the writers, and this one, which only asks. Writers put memories
 * of 384 dimensions one by one, each as soon as it was answered, or at a given rate; every endpoint is asked forty times a
 * second on a schedule of its own, so that a slow answer delays no other question. Quantiles are of the time from the
 * moment a question was due to its whole answer. `this process`: how late its own timers were, which no service can be
 * quicker than.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openServices } from "../src/dev/services.ts";
import { createKey } from "../src/http/keys.ts";
import { MemorySynchronizer } from "../src/index.ts";
import type { WritersOrder } from "./support/http-writers.ts";
import { quantile } from "./support/statistics.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "26" },
    writers: { type: "string", default: "16" },
    memories: { type: "string", default: "10000" },
    "writes-per-second": { type: "string", default: "0" },
  },
});
const seconds = Number(values.seconds);
const writers = Number(values.writers);
const memories = Number(values.memories);
const writesPerSecond = Number(values["writes-per-second"]);
const DIMENSION = 384;
const POLL_MS = 25;
const ENDPOINTS = ["/healthz", "/readyz", "/v1/status", "/metrics"];
const PROGRAM = fileURLToPath(new URL("../dist/program/main.js", import.meta.url));
const WRITER = fileURLToPath(new URL("./support/http-writers.ts", import.meta.url));
if (!existsSync(PROGRAM)) throw new Error("dist/ is missing: npm run build");

function memory(number: number) {
  const embedding = Float32Array.from({ length: DIMENSION }, (_, index) => Math.sin(number * 31 + index * 7));
  return { memoryId: `m${number}`, content: `memory number ${number}`, memoryType: "episodic", embedding };
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

async function ask(url: string, headers: Record<string, string>): Promise<string> {
  const response = await fetch(url, { headers });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${body}`);
  return body;
}

async function untilReady(url: string, service: ChildProcess): Promise<void> {
  const endsAt = performance.now() + 30_000;
  while (performance.now() < endsAt) {
    if (service.exitCode !== null) throw new Error("the service ended");
    if ((await fetch(`${url}/readyz`).catch(() => null))?.status === 200) return;
    await pause(50);
  }
  throw new Error("the service was not ready within 30 s");
}

const services = await openServices({ log: console.error });
const folder = await mkdtemp(join(tmpdir(), "mnemosync-bench-"));
const children: ChildProcess[] = [];
try {
  const { key, entry } = createKey({ id: "bench", scope: "admin", namespaces: "*" });
  const keysFile = join(folder, "keys.json");
  await writeFile(keysFile, JSON.stringify({ keys: [entry] }));
  const { postgresUrl, redisUrl } = services;
  const faiss = { directory: join(folder, "faiss"), dimension: DIMENSION };
  const sync = await MemorySynchronizer.connect({ postgresUrl, redisUrl, redisPrefix: "bench", faiss });
  const outcomes = await sync.syncBatch(Array.from({ length: memories }, (_, number) => memory(number)));
  if (outcomes.some(({ status }) => status !== "synced")) throw new Error("the data did not arrive everywhere");
  await sync.close();
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const environment = {
    ...process.env,
    MNEMOSYNC_POSTGRES_URL: postgresUrl,
    MNEMOSYNC_REDIS_URL: redisUrl,
    MNEMOSYNC_REDIS_PREFIX: "bench",
    MNEMOSYNC_FAISS_DIRECTORY: faiss.directory,
    MNEMOSYNC_FAISS_DIMENSION: String(DIMENSION),
    MNEMOSYNC_EMBEDDING_PROVIDER: "none",
    MNEMOSYNC_HTTP_PORT: String(port),
    MNEMOSYNC_HTTP_KEYS_FILE: keysFile,
    MNEMOSYNC_HTTP_RATE_LIMIT_PER_SECOND: "1000000",
    MNEMOSYNC_HTTP_RATE_LIMIT_BURST: "1000000",
  };
  const service = spawn(process.execPath, [PROGRAM, "serve"], {
    env: environment,
    stdio: ["ignore", "ignore", "inherit"],
  });
  children.push(service);
  const base = `http://127.0.0.1:${port}`;
  await untilReady(base, service);
  const order: WritersOrder = { base, key, seconds, writers, memories, dimension: DIMENSION, writesPerSecond };
  const writing = spawn(process.execPath, ["--import", "tsx", WRITER, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(writing);
  const written = text(writing.stdout);
  const headers = { authorization: `Bearer ${key}` };
  const endsAt = performance.now() + seconds * 1_000;
  const own = monitorEventLoopDelay({ resolution: 1 });
  own.enable();
  const results = await Promise.all(
    ENDPOINTS.map(async (path, offset) => {
      const times: number[] = [];
      const asked: Promise<void>[] = [];
      const one = async (due: number): Promise<void> => {
        await ask(base + path, headers);
        times.push(performance.now() - due);
      };
      // The first second warms up.
      for (let due = performance.now() + 1_000 + (offset * POLL_MS) / 4; due < endsAt; due += POLL_MS) {
        await pause(Math.max(0, due - performance.now()));
        const asking = one(due);
        asking.catch(() => undefined); // Told at the end, when all are awaited.
        asked.push(asking);
      }
      await Promise.all(asked);
      return { path, times };
    }),
  );
  own.disable();
  if ((await written) === "") throw new Error("the writers failed");
  const rate = (Number(await written) / seconds).toFixed(0);
  console.log(`${rate} writes/s from ${writers} callers, ${memories} memories, ${DIMENSION}-d; milliseconds`);
  for (const { path, times } of results) {
    const figure = (share: number): string => quantile(times, share).toFixed(1).padStart(7);
    console.log(`${path.padEnd(12)} p50 ${figure(0.5)}   p99 ${figure(0.99)}   worst ${figure(1)}   (${times.length})`);
  }
  console.log(`this process p99 ${(own.percentile(99) / 1e6).toFixed(1)}`);
} finally {
  await Promise.all(children.map(stopped));
  await services.close();
  await rm(folder, { recursive: true, force: true });
}
