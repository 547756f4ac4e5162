import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ConnectOptions, SyncStatus } from "../../src/index.ts";
import type { Kind } from "./adapted.ts";

/** What the writer is told. */
export interface CrashOrder {
  readonly options: ConnectOptions;
  readonly seed: number;
  /** One of `WRITE_STEPS`, `during prepare` or `during publish`. */
  readonly point: string;
  /** Which pass of the point is its last. */
  readonly pass: number;
  /** How many memories the load is spread over. */
  readonly memories: number;
  /** Whether no store is asked about a write before its commit: then batches are of two and of 128 memories. */
  readonly unprepared: boolean;
}

/** One line of the writer: what its caller was told, and the content that was written (null: deleted). */
export interface Acknowledged {
  readonly memoryId: string;
  readonly version: number;
  readonly status: SyncStatus;
  readonly checksum: string | null;
  readonly transactionId: string | null;
  readonly content: string | null;
  readonly error: string | null;
}

const DEADLINE_MS = 240_000;

/** What a repairer is told. */
export interface RepairCrashOrder {
  readonly options: ConnectOptions;
  /** See `crash-repairer.ts`; or one of `WRITE_STEPS`. */
  readonly point: string;
  /** Which pass of the point is its last. */
  readonly pass: number;
}

/** What an eraser is told. */
export interface EraseCrashOrder {
  readonly options: ConnectOptions;
  readonly namespace: string;
  /** One of `ERASE_STEPS`. */
  readonly point: string;
  /** Which pass of the point is its last. */
  readonly pass: number;
}

/** Runs an eraser until it has killed itself. */
export async function runEraseUntilCrash(order: EraseCrashOrder): Promise<void> {
  await runScriptUntilCrash("./crash-eraser.ts", order);
}

/** Runs a repairer until it has killed itself. */
export async function runRepairUntilCrash(order: RepairCrashOrder): Promise<void> {
  await runScriptUntilCrash("./crash-repairer.ts", order);
}

/** What a mover of bodies is told. */
export interface MoveCrashOrder {
  readonly options: ConnectOptions;
  readonly call: "moveBatch" | "replaceFeedIndex";
  readonly point: "during" | "after";
  /** Which batch is its last. */
  readonly batch: number;
}

/** Runs a mover of bodies until it has killed itself. */
export async function runMoverUntilCrash(order: MoveCrashOrder): Promise<void> {
  await runScriptUntilCrash("./body-mover.ts", order);
}

/** What a program is told that writes through an adapter. */
export interface AdapterCrashOrder {
  readonly options: ConnectOptions;
  /** `index`: LangChain's `index()`, with a record manager. */
  readonly kind: Kind | "index";
  /** One of `WRITE_STEPS`, in the last batch; `between`: of `index`, between the documents of the last batch and their keys. */
  readonly point: string;
  readonly batches: number;
  /** Items of a batch. */
  readonly size: number;
}

/** Runs such a program until it has killed itself. @returns the batches that were answered by then. */
export async function runAdapterUntilCrash(order: AdapterCrashOrder): Promise<number[]> {
  const output = await runScriptUntilCrash("./adapter-writer.ts", order);
  return output.split("\n").filter(Boolean).map(Number);
}

/** Runs the writer until it has killed itself. @returns what it had acknowledged by then. */
export async function runUntilCrash(order: CrashOrder): Promise<Acknowledged[]> {
  const output = await runScriptUntilCrash("./crash-writer.ts", order);
  const lines = output.split("\n");
  lines.pop(); // What follows the last line break: nothing, or a line that was torn.
  return lines.map((line) => JSON.parse(line) as Acknowledged);
}

/** @returns what the script had printed when it killed itself. */
async function runScriptUntilCrash(script: string, order: { readonly point: string }): Promise<string> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const child = spawn(process.execPath, ["--import", tsx, path, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let complaints = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
  const timer = setTimeout(() => child.kill("SIGTERM"), DEADLINE_MS);
  // Not "close": the FAISS host has inherited nothing, but what it wrote must have been read.
  const read = [once(child.stdout, "close"), once(child.stderr, "close")];
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  clearTimeout(timer);
  await Promise.all(read);
  if (signal !== "SIGKILL") throw new Error(`it did not die at ${order.point} (${signal ?? code}): ${complaints}`);
  return output;
}
