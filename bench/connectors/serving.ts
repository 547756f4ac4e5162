import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createKey } from "../../src/http/keys.ts";
import { MemorySpaceServer } from "../../test/support/connectors/memory-space-server.ts";
import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { verify } from "../support/report.ts";
import { median, quantile } from "../support/statistics.ts";
import { type Figure, measuresOf, targetsOf } from "./figures.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/program/main.js", import.meta.url));
const CONNECTORS = 20;
/** Milliseconds between two looks whether the service is ready. */
const LOOK_MS = 5;
const START_MAX_MS = 60_000;

/** The service: what do 20 connectors cost its start, and does it answer while one of them runs? */
export async function serving(context: BenchContext): Promise<ScenarioResult> {
  const items = context.quick ? 3_000 : 10_000;
  const rounds = context.rounds ?? (context.quick ? 1 : 3);
  const space = await MemorySpaceServer.start({ apiKey: null });
  const now = Date.now();
  const createdAt = (index: number): string => new Date(now - (items - index) * 1_000).toISOString();
  for (let index = 0; index < items; index++)
    space.put({ id: `i${index}`, created_at: createdAt(index), transcript: `we talked about subject ${index}` });
  const service = await Service.prepare(context);
  const definitions = Object.fromEntries(
    Array.from({ length: CONNECTORS }, (_, index) => [
      `space-${index}`,
      {
        from: { type: "memory-space", url: space.url, context: space.context },
        to: { type: "memories", namespace: `space-${index}` },
        // Far away: what is measured is the start, and not runs.
        schedule: { cron: "0 0 1 1 *" },
      },
    ]),
  );
  try {
    await service.started({}, async () => undefined); // Migrates, and makes the index.
    const [bare, many]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      bare.push(await service.started({}, async () => undefined));
      many.push(await service.started(definitions, async () => undefined));
    }
    context.log("starts are measured");
    let status: readonly number[] = [];
    await service.started(definitions, async (call) => {
      status = await statusWhileRunning(call, items);
    });
    const p99 = quantile(status, 0.99);
    const figures: Figure[] = [
      ["start without connectors", "s", bare.map((ms) => ms / 1_000), null],
      [`start with ${CONNECTORS} connectors`, "s", many.map((ms) => ms / 1_000), 1],
      ["status while a run goes on, median", "ms", [median(status)], null],
      ["status while a run goes on, p99", "ms", [p99], 50],
    ];
    return {
      title: `Connectors: a service with ${CONNECTORS} of them`,
      method:
        "`mnemosync serve`, the built program in a process of its own: from its start to the first 200 of /readyz. Then one connector imports " +
        `${items.toLocaleString("en-US")} items, and ${status.length} times its status is asked for meanwhile, one after the other.`,
      measures: measuresOf(figures),
      targets: targetsOf(figures, median),
    };
  } finally {
    await space.close();
  }
}

type Call = (method: "GET" | "POST", path: string, body?: object) => Promise<Record<string, unknown>>;

/** @returns milliseconds of each answer, while the run goes on. */
async function statusWhileRunning(call: Call, items: number): Promise<readonly number[]> {
  const { id } = await call("POST", "/v1/connectors/space-0/trigger", { scope: "full" });
  const took: number[] = [];
  for (;;) {
    const startedAt = performance.now();
    const { state } = await call("GET", "/v1/connectors/space-0/status");
    const ms = performance.now() - startedAt;
    if (state !== "running") break;
    took.push(ms);
  }
  const run = (await call("GET", `/v1/connectors/space-0/runs/${String(id)}`)) as {
    state: string;
    counts: { created: number };
  };
  verify(run.state === "succeeded" && run.counts.created === items, `the run ended as ${JSON.stringify(run)}`);
  verify(took.length >= 100, `only ${took.length} answers came while the run went on: too few for a p99`);
  return took;
}

/** `mnemosync serve` on stores of its own. */
class Service {
  readonly #environment: Record<string, string>;
  readonly #key: string;

  private constructor(environment: Record<string, string>, key: string) {
    this.#environment = environment;
    this.#key = key;
  }

  static async prepare(context: BenchContext): Promise<Service> {
    const [postgresUrl, folder] = [await context.newDatabase(), await context.newDirectory()];
    const { key, entry } = createKey({ id: "bench", scope: "admin", namespaces: "*" });
    const keysFile = join(folder, "keys.json");
    await writeFile(keysFile, JSON.stringify({ keys: [entry] }), { mode: 0o600 });
    const environment = {
      MNEMOSYNC_POSTGRES_URL: postgresUrl,
      MNEMOSYNC_REDIS_URL: context.redisUrl,
      MNEMOSYNC_REDIS_PREFIX: "bench-connectors",
      MNEMOSYNC_FAISS_DIRECTORY: join(folder, "faiss"),
      MNEMOSYNC_FAISS_DIMENSION: "64",
      MNEMOSYNC_EMBEDDING_PROVIDER: "hashing",
      MNEMOSYNC_HTTP_KEYS_FILE: keysFile,
      MNEMOSYNC_HTTP_RATE_LIMIT_PER_SECOND: "1000000",
      MNEMOSYNC_HTTP_RATE_LIMIT_BURST: "1000000",
    };
    return new Service(environment, key);
  }

  /** Starts it, has `work` done, and ends it. @returns milliseconds until it was ready. */
  async started(definitions: object, work: (call: Call) => Promise<void>): Promise<number> {
    const port = await freePort();
    const env = {
      ...process.env,
      ...this.#environment,
      MNEMOSYNC_HTTP_PORT: String(port),
      MNEMOSYNC_CONNECTORS_DEFINITIONS: JSON.stringify(definitions),
    };
    const startedAt = performance.now();
    const child = spawn(process.execPath, [PROGRAM, "serve", "--log-level", "warn"], {
      env,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const exited = once(child, "exit");
    try {
      const url = `http://127.0.0.1:${port}`;
      const ms = await ready(url, startedAt, () => child.exitCode);
      await work(async (method, path, body) => {
        const response = await fetch(url + path, {
          method,
          headers: {
            authorization: `Bearer ${this.#key}`,
            ...(body !== undefined && { "content-type": "application/json" }),
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        verify(response.ok, `${method} ${path}: ${response.status} ${text}`);
        return JSON.parse(text) as Record<string, unknown>;
      });
      return ms;
    } finally {
      child.kill("SIGTERM");
      await exited;
    }
  }
}

async function ready(url: string, startedAt: number, exitCode: () => number | null): Promise<number> {
  for (;;) {
    const ms = performance.now() - startedAt;
    verify(exitCode() === null && ms < START_MAX_MS, `the service is not ready after ${Math.round(ms)} ms`);
    const status = await fetch(`${url}/readyz`).then(
      (response) => response.status,
      () => 0, // It does not listen yet.
    );
    if (status === 200) return performance.now() - startedAt;
    await pause(LOOK_MS);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("a server without a port");
  return address.port;
}
