import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { withDeadline } from "../../src/runtime/deadline.ts";
import { onAbort } from "../../src/runtime/on-abort.ts";
import type { Listed } from "./catalogue.ts";
import type { Assignment, Report } from "./messages.ts";
import type { BenchOptions } from "./options.ts";
import type { ScenarioResult } from "./scenario.ts";

/** What became of one scenario. */
export interface ScenarioOutcome {
  readonly name: string;
  readonly seconds: number;
  readonly results: readonly ScenarioResult[];
  /** Why there are none. */
  readonly failure?: string;
}

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));
const TIMEOUT_MS = { quick: 300_000, full: 1_200_000 };
/** As many for FAISS in a scenario's own process as our index's process takes by default (option `hostThreads`). */
const threads = String(Math.max(1, availableParallelism() - 1));
const FAISS_THREADS = { OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: threads };
/** Milliseconds that a process may take to end once it has answered. */
const END_TIMEOUT_MS = 15_000;

/**
 * Runs a scenario in a process of its own, so that the garbage, the compiled code and the connections of the one before
 * are not its own, and so that it can be ended when it hangs. Never rejects.
 */
export async function runScenario(
  { name, module, seconds: planned }: Listed,
  servers: { readonly postgresUrl: string; readonly redisUrl: string },
  options: Pick<BenchOptions, "quick" | "trace" | "rounds" | "time" | "memories" | "conversations" | "cpuProfile">,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<ScenarioOutcome> {
  const startedAt = performance.now();
  const { quick, trace, rounds, time = 1, memories, conversations, cpuProfile } = options;
  const { postgresUrl, redisUrl } = servers;
  const folder = await mkdtemp(join(tmpdir(), "mnemosync-bench-"));
  const assignment: Assignment = {
    module,
    folder,
    quick,
    trace,
    budgetSeconds: time * (quick ? planned.quick : planned.full),
    postgresUrl,
    redisUrl,
    ...(rounds !== undefined && { rounds }),
    ...(memories !== undefined && { memories }),
    ...(conversations !== undefined && { conversations }),
    ...(cpuProfile !== undefined && { profile: join(cpuProfile, `${name}.cpuprofile`) }),
  };
  let report: Report;
  try {
    const timeoutMs = quick ? TIMEOUT_MS.quick : TIMEOUT_MS.full;
    report = await withDeadline(timeoutMs, signal, (deadline) => inProcess(assignment, log, deadline));
    await dropDatabases(servers.postgresUrl);
  } catch (error) {
    report = { kind: "failure", reason: (error as Error).message };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  if (report.kind === "results") return { name, seconds, results: report.results };
  return { name, seconds, results: [], failure: report.kind === "failure" ? report.reason : "it reported nothing" };
}

async function inProcess(assignment: Assignment, log: (line: string) => void, signal: AbortSignal): Promise<Report> {
  signal.throwIfAborted();
  // Begun with the arguments of this process: the loader, and the collector that can be called.
  const child = fork(CHILD, { serialization: "advanced", env: { ...process.env, ...FAISS_THREADS } });
  const exited = once(child, "exit");
  const forget = onAbort(signal, () => void child.kill("SIGKILL"));
  try {
    let last: Report | undefined;
    child.on("message", (report: Report) => {
      if (report.kind === "log") log(report.line);
      else last = report;
    });
    child.send(assignment);
    await Promise.race([exited, once(child, "disconnect")]);
    await ended(child, exited);
    signal.throwIfAborted();
    if (last !== undefined) return last;
    throw new Error(`its process ended with ${child.signalCode ?? `exit code ${child.exitCode}`} and no answer`);
  } finally {
    forget();
    child.kill("SIGKILL"); // No effect on one that has ended.
  }
}

/** A connection left open keeps a process alive: it is ended then, since its answer is all that counts. */
async function ended(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), END_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

/** The server is the benchmarks' own, so every database of that name is one of theirs. */
async function dropDatabases(postgresUrl: string): Promise<void> {
  const sql = postgres(postgresUrl, { max: 1, onnotice: () => undefined });
  try {
    const names = await sql<{ datname: string }[]>`select datname from pg_database where datname like 'bench\\_%'`;
    for (const { datname } of names) await sql.unsafe(`drop database ${datname} with (force)`);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
