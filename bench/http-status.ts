/**
 * Question: how long do the status endpoints take while the service is busy writing?
 *
 *     node --import tsx bench/http-status.ts [--seconds 10] [--writers 16] [--memories 10000]
 *
 * The service runs in this process on real servers and is called over the network. Writers put memories as fast as they
 * are answered; pollers ask each endpoint ten times a second, each on its own schedule, so that a slow answer delays no
 * other question. Quantiles are of the time from the moment a question was due to its whole answer.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { parseOptions } from "../src/config/parse.ts";
import { openServices } from "../src/embedded/services.ts";
import { HttpService } from "../src/http/http-service.ts";
import { createKey, KeyRing } from "../src/http/keys.ts";
import { MemorySynchronizer } from "../src/index.ts";
import { silentLog } from "../src/observability/log.ts";
import { quantile } from "./support/statistics.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string" }, writers: { type: "string" }, memories: { type: "string" } },
});
const seconds = Number(values.seconds ?? 10);
const writers = Number(values.writers ?? 16);
const memories = Number(values.memories ?? 10_000);
const DIMENSION = 384;
const POLL_MS = 100;
const ENDPOINTS = ["/healthz", "/readyz", "/v1/status", "/metrics"];

function fields(number: number): { content: string; memoryType: string; embedding: number[] } {
  const embedding = Array.from({ length: DIMENSION }, (_, index) => Math.sin(number * 31 + index * 7));
  return { content: `memory number ${number}`, memoryType: "episodic", embedding };
}

const services = await openServices({ log: console.error });
const directory = await mkdtemp(join(tmpdir(), "mnemosync-bench-"));
const { key, entry } = createKey({ id: "bench", scope: "admin", namespaces: "*" });
const options = {
  postgresUrl: services.postgresUrl,
  redisUrl: services.redisUrl,
  redisPrefix: "bench",
  faiss: { directory, dimension: DIMENSION },
};
const { http } = parseOptions({
  ...options,
  http: { port: 0, rateLimitPerSecond: 1_000_000, rateLimitBurst: 1_000_000 },
});
const service = await HttpService.create({
  http,
  log: silentLog,
  keys: KeyRing.of([entry], { log: silentLog }),
  connect: () => MemorySynchronizer.connect(options),
});
try {
  const { port } = await service.listen();
  await service.connect(new AbortController().signal);
  const all = Array.from({ length: memories }, (_, number) => ({ memoryId: `m${number}`, ...fields(number) }));
  const outcomes = await service.sync.syncBatch(all);
  if (outcomes.some(({ status }) => status !== "synced")) throw new Error("the data did not arrive everywhere");
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const base = `http://127.0.0.1:${port}`;
  const endsAt = performance.now() + seconds * 1_000;
  let written = 0;
  const writing = Array.from({ length: writers }, async (_, writer) => {
    for (let turn = 0; performance.now() < endsAt; turn++) {
      const number = (turn * writers + writer) % memories;
      const body = JSON.stringify({ ...fields(number), content: `turn ${turn}` });
      const response = await fetch(`${base}/v1/namespaces/default/memories/m${number}`, {
        method: "PUT",
        headers,
        body,
      });
      if (!response.ok) throw new Error(`a write: ${response.status} ${await response.text()}`);
      await response.arrayBuffer();
      written++;
    }
  });
  const polling = ENDPOINTS.map(async (path, offset) => {
    const times: number[] = [];
    const asked: Promise<void>[] = [];
    for (let due = performance.now() + 1_000 + offset * 25; due < endsAt; due += POLL_MS) {
      await pause(Math.max(0, due - performance.now()));
      const ask = async (): Promise<void> => {
        const response = await fetch(base + path, { headers });
        await response.arrayBuffer();
        if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
        times.push(performance.now() - due);
      };
      asked.push(ask());
    }
    await Promise.all(asked);
    return { path, times };
  });
  const results = await Promise.all(polling);
  await Promise.all(writing);
  console.log(
    `${(written / seconds).toFixed(0)} writes/s from ${writers} callers, ${memories} memories, ${DIMENSION}-d; ms`,
  );
  for (const { path, times } of results) {
    const figure = (share: number): string => quantile(times, share).toFixed(1).padStart(7);
    console.log(`${path.padEnd(12)} p50 ${figure(0.5)}   p99 ${figure(0.99)}   worst ${figure(1)}   (${times.length})`);
  }
} finally {
  await service.stop();
  await services.close();
  await rm(directory, { recursive: true, force: true });
}
