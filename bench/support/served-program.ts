import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import postgres from "postgres";
import { createKey } from "../../src/http/keys.ts";

/** What one start of `serve` took: times in milliseconds, memory in MB. */
export interface Start {
  /** Processor time of the process and of its FAISS host until ready, user and system. */
  readonly cpu: number;
  /** From the spawn to the first 200 of `/readyz`. */
  readonly ready: number;
  /** Node and what every command loads, measured by `--version`. */
  readonly floor: number;
  /** From the FAISS host's snapshot to the index being up to date, by the log. */
  readonly index: number;
  /** Resident memory of the process after a second of rest, and of its FAISS host. */
  readonly rss: number;
  readonly hostRss: number;
}

export interface ServedData {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  readonly folder: string;
  /** Memories as JSON lines. */
  readonly lines: string;
  readonly dimension: number;
}

/** A built program of some revision, with a database, a Redis prefix and an index folder of its own. */
export class ServedProgram {
  readonly #file: string;
  readonly #environment: Record<string, string>;
  readonly #key: string;

  private constructor(file: string, environment: Record<string, string>, key: string) {
    this.#file = file;
    this.#environment = environment;
    this.#key = key;
  }

  /** @param root the folder of a clone whose `dist/` is built. */
  static async fill(name: string, root: string, data: ServedData): Promise<ServedProgram> {
    const admin = postgres(data.postgresUrl, { max: 1, onnotice: () => undefined });
    await admin.unsafe(`create database startup_${name} template template0`).finally(() => admin.end());
    const url = new URL(data.postgresUrl);
    url.pathname = `/startup_${name}`;
    const { key, entry } = createKey({ id: "bench", scope: "admin", namespaces: "*" });
    const keysFile = join(data.folder, `keys-${name}.json`);
    await writeFile(keysFile, JSON.stringify({ keys: [entry] }));
    const environment = {
      MNEMOSYNC_POSTGRES_URL: url.href,
      MNEMOSYNC_REDIS_URL: data.redisUrl,
      MNEMOSYNC_REDIS_PREFIX: `startup_${name}`,
      MNEMOSYNC_FAISS_DIRECTORY: join(data.folder, `faiss-${name}`),
      MNEMOSYNC_FAISS_DIMENSION: String(data.dimension),
      MNEMOSYNC_EMBEDDING_PROVIDER: "none",
      MNEMOSYNC_HTTP_PORT: String(20_000 + Math.floor(Math.random() * 10_000)),
      MNEMOSYNC_HTTP_KEYS_FILE: keysFile,
    };
    const program = new ServedProgram(join(root, "dist", "program", "main.js"), environment, key);
    await program.#command("migrate");
    await program.#command("import", data.lines);
    return program;
  }

  async #command(...command: string[]): Promise<void> {
    const env = { ...process.env, ...this.#environment };
    await promisify(execFile)(process.execPath, [this.#file, ...command], { env });
  }

  async start(): Promise<Start> {
    const floorFrom = performance.now();
    await once(spawn(process.execPath, [this.#file, "--version"], { stdio: "ignore" }), "exit");
    const floor = performance.now() - floorFrom;
    const startedAt = performance.now();
    const child = spawn(process.execPath, [this.#file, "serve", "--log-level", "info"], {
      env: { ...process.env, ...this.#environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
      });
    }
    const url = `http://127.0.0.1:${this.#environment.MNEMOSYNC_HTTP_PORT}`;
    let ready = 0;
    while (ready === 0) {
      if (child.exitCode !== null) throw new Error(`the service ended: ${output}`);
      const response = await fetch(`${url}/readyz`).catch(() => null);
      if (response?.status === 200) ready = performance.now() - startedAt;
      else await pause(5);
    }
    const id = child.pid as number;
    const hostIds = await childrenOf(id);
    const cpus = await Promise.all([id, ...hostIds].map(cpuOf));
    const found = await fetch(`${url}/v1/namespaces/default/memories/m7`, {
      headers: { authorization: `Bearer ${this.#key}` },
    });
    if (found.status !== 200) throw new Error(`m7: ${found.status} ${await found.text()}`);
    await pause(1_000);
    const rss = await rssOf(id);
    const hosts = await Promise.all(hostIds.map(rssOf));
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
    const cpu = cpus.reduce((sum, one) => sum + one, 0);
    return { cpu, ready, floor, index: indexMs(output), rss, hostRss: Math.max(0, ...hosts) };
  }
}

function indexMs(output: string): number {
  const events = output.split("\n").filter((line) => line.startsWith("{"));
  const times = events.map((line) => JSON.parse(line) as { time: number; msg: string });
  const upToDate = times.find(({ msg }) => msg === "index.caught_up")?.time;
  const loaded = times.find(({ msg }) => msg === "index.snapshot_loaded" || msg === "index.rebuild_started")?.time;
  return upToDate !== undefined && loaded !== undefined ? upToDate - loaded : Number.NaN;
}

async function rssOf(processId: number): Promise<number> {
  const status = await readFile(`/proc/${processId}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
}

/** Milliseconds of processor time so far, of all threads that still run: Node's do until it ends. */
async function cpuOf(processId: number): Promise<number> {
  const tasks = await readdir(`/proc/${processId}/task`);
  const texts = await Promise.all(tasks.map((task) => readFile(`/proc/${processId}/task/${task}/schedstat`, "utf8")));
  return texts.reduce((sum, text) => sum + Number(text.split(" ")[0]), 0) / 1e6;
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
