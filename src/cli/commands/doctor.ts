import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { parseOptions } from "../../config/parse.ts";
import { PostgresPool } from "../../drivers/postgres/postgres-pool.ts";
import { NO_REDIS } from "../../drivers/settings.ts";
import { sampleDimensions } from "../../ledger/embedding-statements.ts";
import { newestMigration } from "../../ledger/migrate.ts";
import { readPostgresFacts } from "../../ledger/server-facts.ts";
import { withDeadline } from "../../runtime/deadline.ts";
import { bindingFiles } from "../../stores/faiss/host/binding.ts";
import { readRedisFacts } from "../../stores/redis/redis-facts.ts";
import { columns } from "../columns.ts";
import type { CliCommand } from "../command.ts";
import { type Diagnosis, type DiagnosisState, failure } from "../doctor/diagnosis.ts";
import { diagnoseKeysFile } from "../doctor/keys.ts";
import {
  diagnoseBinding,
  diagnoseIndexFolder,
  diagnoseIndexPrivacy,
  diagnoseNode,
  diagnoseSnapshots,
} from "../doctor/machine.ts";
import { diagnosePostgres } from "../doctor/postgres.ts";
import { diagnoseRedis } from "../doctor/redis.ts";
import { diagnoseStore } from "../doctor/store.ts";
import { diagnoseDimension } from "../doctor/vectors.ts";
import { describeError, EXIT, type ExitCode } from "../exit.ts";
import { connectOptions } from "../options.ts";
import { counted } from "../output.ts";
import { meaningOf, wrapped } from "../terminal.ts";

/** Ends with the reason alone when the file does not load. */
const LOAD_PROGRAM =
  "try { require(process.argv[1]) } catch (error) { console.error(error.message.split('\\n')[0]); process.exitCode = 1 }";

/** Milliseconds that a server has to answer: enough for a busy one. */
const ANSWER_MAX_MS = 10_000;

export const doctorCommand: CliCommand = {
  async run({ settings, signal, log }) {
    const options = parseOptions(connectOptions(settings));
    const { faiss, postgresUrl, redisUrl, postgresConnectionsMax, stores, nodeId = "doctor" } = options;
    const groups = await Promise.all([
      [diagnoseNode(process.versions.node)],
      reachable("postgres.reachable", "postgresUrl", () =>
        postgres(postgresUrl, postgresConnectionsMax, faiss?.dimension, signal),
      ),
      ...(redisUrl === NO_REDIS ? [] : [reachable("redis.reachable", "redisUrl", () => redis(redisUrl, signal))]),
      ...(faiss === undefined ? [] : [index(faiss.directory, signal)]),
      diagnoseKeysFile(options.http),
      ...stores.map((entry) => diagnoseStore(entry, { nodeId, log, signal }, ANSWER_MAX_MS)),
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

async function postgres(
  url: string,
  connectionsMax: number,
  dimension: number | undefined,
  signal: AbortSignal,
): Promise<Diagnosis[]> {
  const pool = new PostgresPool(url, { max: 1 });
  try {
    const expected = await newestMigration();
    const facts = await withDeadline(ANSWER_MAX_MS, signal, (deadline) =>
      pool.use(deadline, ({ sql }) => readPostgresFacts(sql)),
    );
    const found = diagnosePostgres(facts, expected, connectionsMax);
    if (dimension === undefined || facts.schemaVersion !== expected) return found;
    const samples = await withDeadline(ANSWER_MAX_MS, signal, (deadline) =>
      pool.use(deadline, ({ sql }) => sampleDimensions(sql)),
    );
    return [...found, diagnoseDimension(samples, dimension)];
  } finally {
    await pool.close();
  }
}

async function redis(url: string, signal: AbortSignal): Promise<Diagnosis[]> {
  return diagnoseRedis(await withDeadline(ANSWER_MAX_MS, signal, (deadline) => readRedisFacts(url, deadline)));
}

async function index(directory: string, signal: AbortSignal): Promise<Diagnosis[]> {
  const binding = diagnoseBinding(async () => {
    const failures: string[] = [];
    for (const file of bindingFiles()) {
      // In a child process: a binding that does not fit this machine may crash its process.
      const child = promisify(execFile)(process.execPath, ["-e", LOAD_PROGRAM, file], {
        timeout: ANSWER_MAX_MS,
        signal,
      });
      const failure = await child.then(
        () => null,
        (error: { stderr?: string; message: string }) => error.stderr?.trim() || error.message,
      );
      if (failure === null) return file;
      failures.push(failure);
    }
    throw new Error(failures.join("; "));
  });
  const folder = diagnoseIndexFolder(directory);
  return await Promise.all([binding, folder, diagnoseIndexPrivacy(directory), diagnoseSnapshots(directory)]);
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
  const rows = checks.map(({ check, state, found }) => [state, check, found]);
  const advised = checks.filter(({ advice }) => advice !== undefined);
  const advice = advised.map(({ check, advice: what }) => wrapped(`${check}: ${what}`, "  "));
  const failures = checks.filter(({ state }) => state === "failure").length;
  const warnings = checks.filter(({ state }) => state === "warning").length;
  return [
    columns([{ head: "state", meaning: meaningOf }, { head: "check" }, { head: "found" }], rows, { overflow: "wrap" }),
    ...(advice.length === 0 ? [] : ["", "Advice:", ...advice]),
    "",
    `${counted(failures, "failure")}, ${counted(warnings, "warning")}`,
  ].join("\n");
}
