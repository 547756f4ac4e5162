/** The process of one scenario: see `run-scenario.ts`. */
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { Budget } from "./budget.ts";
import { loadScenario } from "./catalogue.ts";
import type { Assignment, Report } from "./messages.ts";
import { profiled } from "./profile.ts";
import type { BenchContext } from "./scenario.ts";

process.once("message", (assignment: Assignment) => {
  void carryOut(assignment).then(async (report) => {
    await tell(report);
    process.disconnect();
  });
});

async function carryOut(assignment: Assignment): Promise<Report> {
  const {
    module,
    postgresUrl,
    redisUrl,
    folder,
    quick,
    trace,
    rounds,
    budgetSeconds,
    profile,
    memories,
    conversations,
  } = assignment;
  const sql = postgres(postgresUrl, { max: 1, onnotice: () => undefined });
  let databases = 0;
  const context: BenchContext = {
    quick,
    trace,
    redisUrl,
    ...(rounds !== undefined && { rounds }),
    ...(memories !== undefined && { memories }),
    ...(conversations !== undefined && { conversations }),
    budget: new Budget(budgetSeconds * 1_000),
    newDatabase: async () => {
      const name = `bench_${process.pid}_${++databases}`;
      await sql.unsafe(`create database ${name}`);
      const url = new URL(postgresUrl);
      url.pathname = `/${name}`;
      return url.href;
    },
    newDirectory: () => mkdtemp(join(folder, "directory-")),
    log: (line) => void tell({ kind: "log", line }),
  };
  try {
    const scenario = await loadScenario(module);
    await empty(redisUrl);
    return { kind: "results", results: await profiled(profile, () => scenario.run(context)) };
  } catch (error) {
    return { kind: "failure", reason: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** The server is the benchmarks' own. */
async function empty(redisUrl: string): Promise<void> {
  const redis = new Redis(redisUrl);
  try {
    await redis.flushall();
  } finally {
    redis.disconnect();
  }
}

function tell(report: Report): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(report, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}
