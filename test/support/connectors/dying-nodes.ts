import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { REPOSITORY } from "../program.ts";

/** What a node that dies is told when it starts. */
export interface DyingNode {
  readonly databaseUrl: string;
  readonly connectorId: string;
}

const DEADLINE_MS = 240_000;

/**
 * Processes of `dying-node.ts`. As one file, since a process starts from it in a tenth of the time; within `node_modules`, where
 * what it imports is found.
 */
export class DyingNodes {
  readonly #folder: string;
  readonly #order: DyingNode;
  #next: ChildProcessWithoutNullStreams;

  private constructor(folder: string, order: DyingNode) {
    this.#folder = folder;
    this.#order = order;
    this.#next = this.#start();
  }

  static async open(order: DyingNode): Promise<DyingNodes> {
    const cache = join(REPOSITORY, "node_modules", ".cache");
    mkdirSync(cache, { recursive: true });
    const folder = mkdtempSync(join(cache, "dying-node-"));
    await build({
      entryPoints: [fileURLToPath(new URL("dying-node.ts", import.meta.url))],
      outfile: join(folder, "node.mjs"),
      ...{ bundle: true, platform: "node", format: "esm", packages: "external", logLevel: "silent" },
    });
    return new DyingNodes(folder, order);
  }

  /**
   * Has a process make a run of the connector, and waits for its end.
   * @param effects after so many it dies. @returns false: the run came to its end before.
   */
  async run(effects: number): Promise<boolean> {
    const child = this.#next;
    const output = outputOf(child);
    const timer = setTimeout(() => child.kill("SIGTERM"), DEADLINE_MS);
    try {
      await output.ready;
      child.stdin.write(`${effects}\n`);
      this.#next = this.#start(); // The one after it, meanwhile.
      const [code, signal] = (await once(child, "close")) as [number | null, string | null];
      if (signal === "SIGKILL") return true;
      if (code === 0 && output.text().includes("succeeded")) return false;
      throw new Error(`it did not die after ${effects} effects (${signal ?? code}): ${output.text()}`);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#next.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #start(): ChildProcessWithoutNullStreams {
    return spawn(process.execPath, [join(this.#folder, "node.mjs"), JSON.stringify(this.#order)]);
  }
}

function outputOf(child: ChildProcessWithoutNullStreams) {
  let text = "";
  const ready = new Promise<void>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      text += chunk.toString("utf8");
      if (text.includes("ready")) resolve();
    };
    for (const stream of [child.stdout, child.stderr]) stream.on("data", look);
    child.once("exit", (code, signal) =>
      reject(new Error(`it ended before it was ready (${signal ?? code}): ${text}`)),
    );
  });
  return { ready, text: () => text };
}
