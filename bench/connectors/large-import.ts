import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { MemorySpaceServer } from "../../test/support/connectors/memory-space-server.ts";
import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { verify } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { type Figure, measuresOf, targetsOf } from "./figures.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/program/main.js", import.meta.url));
const KEY = "MNEMOSYNC_CONNECTOR_MEMORY_SPACE_KEY";
const DAY_MS = 86_400_000;
/** Milliseconds between two looks at the memory of the program. */
const LOOK_MS = 10;

/** The program itself: what does an import take and hold, and does a later run grow with what has changed, or with the source? */
export async function largeImport(context: BenchContext): Promise<ScenarioResult> {
  const count = context.quick ? 10_000 : 100_000;
  const server = await MemorySpaceServer.start();
  const folder = await context.newDirectory();
  const environment = { [KEY]: "secret-key", MNEMOSYNC_EDGE_PATH: join(folder, "edge.db") };
  const memory = async (...args: string[]) => await program(["memory", ...args, "--json"], environment);
  try {
    const now = Date.now();
    for (let index = 0; index < 10_000; index++) put(server, index, now);
    await memory("add", "--url", server.url, "--user-context", server.context);
    const first = await memory("sync");
    verify(first.run.synced === 10_000, "the first 10,000 items were imported");
    context.log("10,000 items are imported");
    for (let index = 10_000; index < count; index++) put(server, index, now);
    if (count > 10_000) await memory("resync");
    context.log(`${count} items are imported`);
    const nothing = await memory("sync");
    const [few, many] = [count / 1_000, count / 100];
    const changes: Awaited<ReturnType<typeof memory>>[] = [];
    for (const changed of [few, many]) {
      for (let index = 0; index < changed; index++) {
        put(server, index, now, `edited, ${changed} in all`, new Date().toISOString());
      }
      changes.push(await memory("sync"));
      verify(changes.at(-1)?.run.synced === changed, `${changed} changes were imported`);
    }
    const [someChanges, moreChanges] = changes as [Ended, Ended];
    const text = (value: number) => value.toLocaleString("en-US");
    const figures: Figure[] = [
      ["10,000 items for the first time", "s", [first.ms / 1_000], null],
      ["resident set at its highest, 10,000 items", "MiB", [first.peak], 200],
      [`a run without changes, source of ${text(count)}`, "s", [nothing.ms / 1_000], null],
      [`a run with ${text(few)} changes`, "s", [someChanges.ms / 1_000], null],
      [`a run with ${text(many)} changes (1 %)`, "s", [moreChanges.ms / 1_000], null],
    ];
    return {
      title: `Connectors: a Memory Space of ${text(count)} items into an edge's file`,
      method:
        "`mnemosync memory sync`, the built program in a process of its own, against a stand-in of the service; times with the start of the process. " +
        "Changed items say when they were changed.",
      measures: measuresOf(figures),
      targets: targetsOf(figures, median),
    };
  } finally {
    await server.close();
  }
}

function put(server: MemorySpaceServer, index: number, now: number, transcript?: string, updated_at?: string): void {
  const id = `i${String(index).padStart(6, "0")}`;
  const created_at = new Date(now - (2 + (index % 700)) * DAY_MS).toISOString();
  const said = transcript ?? "we talked about the same subject, at some length, as people do. ".repeat(6);
  server.put({ id, created_at, transcript: `${said} (${index})`, ...(updated_at !== undefined && { updated_at }) });
}

interface Ended {
  readonly run: { readonly synced: number };
  readonly ms: number;
  /** MiB. */
  readonly peak: number;
}

async function program(args: readonly string[], environment: Record<string, string>): Promise<Ended> {
  const startedAt = performance.now();
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const ended = once(child, "close") as Promise<[number | null]>;
  let peak = 0;
  let isOver = false;
  const watching = (async () => {
    for (; !isOver; await pause(LOOK_MS)) {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
    }
  })();
  const [code] = await ended;
  const ms = performance.now() - startedAt;
  isOver = true;
  await watching;
  verify(code === 0, `mnemosync ${args.join(" ")} ended with ${code}: ${output}`);
  return { run: (JSON.parse(output) as { run?: Ended["run"] }).run ?? { synced: 0 }, ms, peak };
}
