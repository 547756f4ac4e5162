import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createKey } from "../../src/http/keys.ts";
import { MemorySynchronizer } from "../../src/index.ts";
import type { BenchContext } from "../harness/scenario.ts";
import { DIMENSION, edgeDocument, idOf } from "./documents.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/program/main.js", import.meta.url));
const READY_MAX_MS = 60_000;
const PREFIX = "edgebench";

export interface HubOptions {
  /** The built program. @default that of this revision */
  readonly program?: string;
  /** Of Redis: unlike that of any other hub on it. @default "edgebench" */
  readonly prefix?: string;
  /** Arguments of Node. @default none */
  readonly nodeArguments?: readonly string[];
}

/** The hub as operators run it: the built program in a process of its own, on PostgreSQL, Redis and FAISS. */
export class HubService {
  readonly url: string;
  readonly apiKey: string;
  readonly #postgresUrl: string;
  readonly #redisUrl: string;
  readonly #prefix: string;
  readonly #process: ChildProcess;

  private constructor(
    url: string,
    apiKey: string,
    process: ChildProcess,
    servers: [postgresUrl: string, redisUrl: string, prefix: string],
  ) {
    this.url = url;
    this.apiKey = apiKey;
    this.#process = process;
    [this.#postgresUrl, this.#redisUrl, this.#prefix] = servers;
  }

  /** The process of the program; those of its index are below it. */
  get processId(): number {
    return this.#process.pid ?? 0;
  }

  static async start(
    context: Pick<BenchContext, "newDatabase" | "newDirectory" | "redisUrl">,
    { program = PROGRAM, prefix = PREFIX, nodeArguments = [] }: HubOptions = {},
  ): Promise<HubService> {
    const [postgresUrl, folder] = [await context.newDatabase(), await context.newDirectory()];
    const { key, entry } = createKey({ id: "bench", scope: "admin", namespaces: "*" });
    const keysFile = join(folder, "keys.json");
    await writeFile(keysFile, JSON.stringify({ keys: [entry] }));
    const environment = {
      MNEMOSYNC_POSTGRES_URL: postgresUrl,
      MNEMOSYNC_REDIS_URL: context.redisUrl,
      MNEMOSYNC_REDIS_PREFIX: prefix,
      MNEMOSYNC_FAISS_DIRECTORY: join(folder, "faiss"),
      MNEMOSYNC_FAISS_DIMENSION: String(DIMENSION),
      MNEMOSYNC_EMBEDDING_PROVIDER: "none",
      // The system picks one, and the service says which: a port that is found here may be another program's a moment later.
      MNEMOSYNC_HTTP_PORT: "0",
      MNEMOSYNC_HTTP_KEYS_FILE: keysFile,
    };
    const migrating = spawn(process.execPath, [program, "migrate"], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const [code] = await once(migrating, "exit");
    if (code !== 0) throw new Error(`mnemosync migrate ended with ${code}`);
    const service = spawn(process.execPath, [...nodeArguments, program, "serve", "--log-level", "error"], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      return new HubService(await untilReady(service), key, service, [postgresUrl, context.redisUrl, prefix]);
    } catch (error) {
      await ended(service);
      throw error;
    }
  }

  /** Writes memories as a program beside the service does. They are in PostgreSQL and Redis then; FAISS follows. */
  async fill(namespace: string, count: number): Promise<void> {
    const sync = await MemorySynchronizer.connect({
      postgresUrl: this.#postgresUrl,
      redisUrl: this.#redisUrl,
      redisPrefix: this.#prefix,
      embedding: { provider: "none" },
    });
    try {
      for (let from = 0; from < count; from += FILL_SIZE) {
        const size = Math.min(FILL_SIZE, count - from);
        const memories = Array.from({ length: size }, (_, index) => {
          return { namespace, memoryId: idOf(from + index), ...edgeDocument(from + index) };
        });
        const outcomes = await sync.syncBatch(memories);
        const failed = outcomes.find(({ status }) => status !== "synced");
        if (failed !== undefined) throw new Error(`${failed.memoryId} is ${failed.status} at the hub`);
      }
    } finally {
      await sync.close();
    }
  }

  /** Memories of a namespace, as the hub counts them. */
  async count(namespace: string): Promise<number> {
    const response = await fetch(`${this.url}/v1/namespaces/${namespace}/count`, {
      headers: { authorization: `Bearer ${this.apiKey}` },
    });
    const document = (await response.json()) as { count?: number };
    if (response.status !== 200 || document.count === undefined) {
      throw new Error(`the hub answers ${response.status} to a count: ${JSON.stringify(document)}`);
    }
    return document.count;
  }

  async close(): Promise<void> {
    await ended(this.#process);
  }
}

const FILL_SIZE = 2_000;
const END_MAX_MS = 15_000;

/** @returns the address of the service. @throws {Error} It ended, or is not ready in time. */
async function untilReady(service: ChildProcess): Promise<string> {
  let printed = "";
  // What it prints later is read too: a full pipe would stop it.
  service.stdout?.on("data", (chunk) => {
    printed = (printed + chunk).slice(-PRINTED_KEPT);
  });
  const endsAt = performance.now() + READY_MAX_MS;
  while (performance.now() < endsAt) {
    if (service.exitCode !== null) throw new Error(`the service ended with ${service.exitCode}: ${printed}`);
    const url = /listening on (\S+)/.exec(printed)?.[1];
    if (url !== undefined && (await fetch(`${url}/readyz`).catch(() => null))?.status === 200) return url;
    await pause(20);
  }
  throw new Error(`the service was not ready within ${READY_MAX_MS} ms: ${printed}`);
}

const PRINTED_KEPT = 10_000;

async function ended(service: ChildProcess): Promise<void> {
  if (service.exitCode !== null || service.signalCode !== null) return;
  const exited = once(service, "exit");
  const timer = setTimeout(() => service.kill("SIGKILL"), END_MAX_MS);
  service.kill("SIGTERM");
  await exited;
  clearTimeout(timer);
}
