import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createKey } from "../../src/http/keys.ts";
import type { BenchContext } from "../harness/scenario.ts";
import { verify } from "../support/report.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/program/main.js", import.meta.url));
/** Milliseconds between two looks whether the service is ready. */
const LOOK_MS = 5;
const START_MAX_MS = 60_000;
/** Milliseconds between the timers by which the service measures its event loop: they count in what it tells. */
const TIMER_MS = 10;

/** A service while it runs. */
export interface RunningService {
  /** Calls a route that answers with JSON. */
  readonly call: (method: "GET" | "POST", path: string, body?: object) => Promise<Record<string, unknown>>;
  /** Milliseconds by which the service's timers came late at the 99th percentile, since this was asked last. */
  readonly lateMs: () => Promise<number>;
}

/** `mnemosync serve` on stores of its own. */
export class Service {
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

  /** Starts it, has `work` done, and ends it. `readyMs`: until it was ready. */
  async started<T>(
    definitions: object,
    work: (running: RunningService) => Promise<T>,
  ): Promise<{ readonly readyMs: number; readonly result: T }> {
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
      const readyMs = await ready(url, startedAt, () => child.exitCode);
      return { readyMs, result: await work(this.#runningAt(url)) };
    } finally {
      child.kill("SIGTERM");
      await exited;
    }
  }

  #runningAt(url: string): RunningService {
    const answer = async (method: string, path: string, body?: object): Promise<string> => {
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
      return text;
    };
    return {
      call: async (method, path, body) => JSON.parse(await answer(method, path, body)) as Record<string, unknown>,
      lateMs: async () => {
        const [, seconds] = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(await answer("GET", "/metrics")) ?? [];
        verify(seconds !== undefined, "the service does not tell how late its timers are");
        return Math.max(0, Number(seconds) * 1_000 - TIMER_MS);
      },
    };
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
