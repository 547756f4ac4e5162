import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { parseOptions } from "../../config/parse.ts";
import { PostgresPool } from "../../drivers/postgres/postgres-pool.ts";
import { newestMigration } from "../../ledger/migrate.ts";
import { readPostgresFacts } from "../../ledger/server-facts.ts";
import { withDeadline } from "../../runtime/deadline.ts";
import { readRedisFacts } from "../../stores/redis/redis-facts.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { type Diagnosis, type DiagnosisState, failure } from "../doctor/diagnosis.ts";
import { diagnoseBinding, diagnoseIndexFolder, diagnoseNode, diagnoseSnapshots } from "../doctor/machine.ts";
import { diagnosePostgres } from "../doctor/postgres.ts";
import { diagnoseRedis } from "../doctor/redis.ts";
import { describeError, EXIT, type ExitCode } from "../exit.ts";
import { connectOptions } from "../options.ts";
import { counted, printable } from "../output.ts";

/** Milliseconds that a server is given to answer: long enough for one that is merely busy. */
const ANSWER_MAX_MS = 10_000;

export const doctorCommand: CliCommand = {
  async run({ settings, signal }) {
    const options = parseOptions(connectOptions(settings));
    const { faiss, postgresUrl, redisUrl, postgresConnectionsMax } = options;
    const groups = await Promise.all([
      [diagnoseNode(process.versions.node)],
      reachable("postgres.reachable", "postgresUrl", () => postgres(postgresUrl, postgresConnectionsMax, signal)),
      reachable("redis.reachable", "redisUrl", async () => {
        const facts = await withDeadline(ANSWER_MAX_MS, signal, (deadline) => readRedisFacts(redisUrl, deadline));
        return diagnoseRedis(facts);
      }),
      ...(faiss === undefined ? [] : [index(faiss.directory, signal)]),
    ]);
    signal.throwIfAborted();
    const checks = groups.flat();
    return {
      exitCode: exitCodeOf(checks),
      json: { healthy: exitCodeOf(checks) === EXIT.ok, checks },
      text: text(checks),
    };
  },
};

async function postgres(url: string, connectionsMax: number, signal: AbortSignal): Promise<Diagnosis[]> {
  const pool = new PostgresPool(url, { max: 1 });
  try {
    const expected = await newestMigration();
    const facts = await withDeadline(ANSWER_MAX_MS, signal, (deadline) =>
      pool.use(deadline, ({ sql }) => readPostgresFacts(sql)),
    );
    return diagnosePostgres(facts, expected, connectionsMax);
  } finally {
    await pool.close();
  }
}

async function index(directory: string, signal: AbortSignal): Promise<Diagnosis[]> {
  const binding = diagnoseBinding(async () => {
    // In a child: a binding that does not fit this machine may take its process down.
    const path = createRequire(import.meta.url).resolve("faiss-node");
    const child = ["-e", "require(process.argv[1])", path];
    await promisify(execFile)(process.execPath, child, { timeout: ANSWER_MAX_MS, signal });
  });
  return await Promise.all([binding, diagnoseIndexFolder(directory), diagnoseSnapshots(directory)]);
}

async function reachable(check: string, option: string, look: () => Promise<Diagnosis[]>): Promise<Diagnosis[]> {
  try {
    return await look();
  } catch (error) {
    return [
      failure(
        check,
        describeError(error).message,
        `start the server, or correct ${option} (mnemosync config shows it)`,
      ),
    ];
  }
}

function exitCodeOf(checks: readonly Diagnosis[]): ExitCode {
  const has = (state: DiagnosisState): boolean => checks.some((found) => found.state === state);
  if (has("failure")) return EXIT.failed;
  return has("warning") ? EXIT.findings : EXIT.ok;
}

function text(checks: readonly Diagnosis[]): string {
  const rows = checks.map(({ check, state, found }) => [state, check, printable(found, 100)]);
  const advised = checks.filter(({ advice }) => advice !== undefined);
  const advice = advised.map(({ check, advice: what }) => `  ${check}: ${what}`);
  const failures = checks.filter(({ state }) => state === "failure").length;
  const warnings = checks.filter(({ state }) => state === "warning").length;
  return [
    columns([{ head: "state" }, { head: "check" }, { head: "found" }], rows),
    ...(advice.length === 0 ? [] : ["", "What to do, or to know:", ...advice]),
    "",
    `${counted(failures, "failure")}, ${counted(warnings, "warning")}`,
  ].join("\n");
}
