import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import postgres from "postgres";
import { inject, onTestFinished } from "vitest";
import { DOCUMENTS } from "../../src/cli/documents.ts";
import { programArguments, REPOSITORY } from "./program.ts";
import { postgresUrl } from "./services.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A database, a key prefix and an index folder of the test's own, and the program set up for them by environment. */
export interface CommandLine {
  readonly environment: Record<string, string>;
  readonly redis: Redis;
  readonly prefix: string;
  run(args: readonly string[], input?: string | Buffer): Promise<Ended>;
  /** Runs with `--json`. @returns exit code and document. */
  json<T>(args: readonly string[], input?: string): Promise<{ code: number | null; document: T }>;
}

/** Starts the program, or what `nodeArguments` say; whoever calls it ends its standard input. */
export function startProgram(
  args: readonly string[],
  environment: Record<string, string>,
  nodeArguments: readonly string[] = programArguments(),
) {
  const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith("MNEMOSYNC_"));
  const env = { ...Object.fromEntries(foreign), ...environment };
  const child = spawn(process.execPath, [...nodeArguments, ...args], { cwd: REPOSITORY, env });
  onTestFinished(() => void child.kill("SIGKILL"));
  child.stdin.on("error", () => undefined); // It may end before it read everything.
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
  return { child, ended };
}

/** The declaration that a command's document must fit; null where it has none. */
function declaredAs([command = "", action]: readonly string[], document: object): string | null {
  if ("error" in document && !("status" in document)) return "error";
  if (command === "import") return "complete" in document ? "import-export" : "import";
  if (command === "delete" || command === "rollback") return "put";
  if (command === "queue" && action !== undefined && action !== "list") return null;
  return command in DOCUMENTS ? command : null;
}

export async function openCommandLine(): Promise<CommandLine> {
  const name = `cli_${randomBytes(6).toString("hex")}`;
  const administrator = postgres(postgresUrl(), { max: 1, onnotice: () => undefined });
  await administrator.unsafe(`create database ${name}`);
  const redis = new Redis(inject("redisUrl"));
  const directory = mkdtempSync(join(tmpdir(), "mnemosync-cli-test-"));
  onTestFinished(async () => {
    for await (const keys of redis.scanStream({ match: `${name}:*` })) if (keys.length > 0) await redis.unlink(keys);
    redis.disconnect();
    await administrator.unsafe(`drop database ${name} with (force)`);
    await administrator.end();
    rmSync(directory, { recursive: true, force: true });
  });
  const url = new URL(postgresUrl());
  url.pathname = `/${name}`;
  const environment = {
    MNEMOSYNC_POSTGRES_URL: url.href,
    MNEMOSYNC_REDIS_URL: inject("redisUrl"),
    MNEMOSYNC_REDIS_PREFIX: name,
    MNEMOSYNC_FAISS_DIRECTORY: directory,
    MNEMOSYNC_FAISS_DIMENSION: "64",
  };
  const run: CommandLine["run"] = async (args, input = "") => {
    const { child, ended } = startProgram(args, environment);
    child.stdin.end(input);
    return await ended;
  };
  return {
    environment,
    redis,
    prefix: name,
    run,
    async json(args, input) {
      const { code, stdout } = await run([...args, "--json"], input);
      const document = JSON.parse(stdout);
      const declared = code === 2 ? "error" : declaredAs(args, document);
      if (declared !== null) DOCUMENTS[declared]?.parse(document);
      return { code, document };
    },
  };
}
