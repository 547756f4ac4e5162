import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pickFreePort } from "../../src/dev/free-port.ts";
import { pollUntil } from "../../src/dev/wait.ts";

/** Milliseconds that a command may take. */
const COMMAND_MAX_MS = 120_000;

/** What a command line answered. */
export interface Answer {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The first JSON document on standard output; null without one. */
  readonly json: Record<string, unknown> | null;
}

/** The stores that a program is pointed at. */
export interface StoresOfRun {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  readonly redisPrefix: string;
  readonly directory: string;
}

/** The command line of one version, as it was built. */
export class Program {
  readonly name: string;
  readonly #folder: string;

  constructor(name: string, folder: string) {
    this.name = name;
    this.#folder = folder;
  }

  /** Runs one command. Never rejects for its exit code. */
  async run(stores: StoresOfRun, args: readonly string[], input = ""): Promise<Answer> {
    const child = this.#start(stores, args);
    const output = { stdout: "", stderr: "" };
    child.stdout?.on("data", (chunk: Buffer) => {
      output.stdout += chunk;
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      output.stderr += chunk;
    });
    child.stdin?.on("error", () => undefined); // It may end without reading its input.
    child.stdin?.end(input);
    const timer = setTimeout(() => child.kill("SIGKILL"), COMMAND_MAX_MS);
    try {
      const [exitCode] = (await once(child, "close")) as [number | null];
      return { exitCode, ...output, json: jsonOf(output.stdout) };
    } finally {
      clearTimeout(timer);
    }
  }

  /** The service of this version, once it is ready. */
  async serve(stores: StoresOfRun): Promise<Service> {
    const port = await pickFreePort();
    const child = this.#start(stores, ["serve", "--http-port", String(port), "--http-authentication", "none"]);
    child.stdout?.resume();
    child.stderr?.resume();
    child.stdin?.end();
    const service = new Service(`http://127.0.0.1:${port}`, child);
    try {
      await pollUntil(`${this.name} serves`, 60_000, async () => {
        if (child.exitCode !== null) throw new Error(`${this.name}: serve ended with ${child.exitCode}`);
        return await fetch(`${service.url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        );
      });
    } catch (error) {
      await service.stop();
      throw error;
    }
    return service;
  }

  #start(stores: StoresOfRun, args: readonly string[]): ChildProcess {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("MNEMOSYNC_"));
    return spawn(process.execPath, [join(this.#folder, "dist", "program", "main.js"), ...args], {
      stdio: "pipe",
      env: {
        ...Object.fromEntries(own),
        MNEMOSYNC_POSTGRES_URL: stores.postgresUrl,
        MNEMOSYNC_REDIS_URL: stores.redisUrl,
        MNEMOSYNC_REDIS_PREFIX: stores.redisPrefix,
        MNEMOSYNC_FAISS_DIRECTORY: stores.directory,
      },
    });
  }
}

/** A running service. */
export class Service {
  readonly url: string;
  readonly #child: ChildProcess;

  constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** Writes a memory. @returns the status and the document of the answer. */
  async put(memoryId: string, content: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${this.url}/v1/namespaces/default/memories/${memoryId}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ content, memoryType: "episodic" }),
      signal: AbortSignal.timeout(COMMAND_MAX_MS),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 30_000);
    await ended;
    clearTimeout(timer);
  }
}

function jsonOf(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text.trim().split("\n")[0] ?? "") as Record<string, unknown>;
  } catch {
    return null;
  }
}
