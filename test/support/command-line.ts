import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { inject, onTestFinished } from "vitest";
import { DOCUMENTS } from "../../src/documents/command-documents.ts";
import { type Ended, runHere } from "./command-here.ts";
import { programArguments, REPOSITORY } from "./program.ts";
import { postgresUrl } from "./services.ts";
import { createTestDatabase } from "./template-database.ts";
import type { World } from "./world.ts";

export type { Ended } from "./command-here.ts";

/** Longer than any command of a test takes on a busy machine: a limit against hanging. */
const DEADLINE_MS = 240_000;

/** A database, a key prefix and an index folder of the test's own, and the program set up for them by environment. */
export interface CommandLine {
  readonly environment: Record<string, string>;
  readonly redis: Redis;
  readonly prefix: string;
  /** In this process, unless a process was asked for: see `runHere`. */
  run(args: readonly string[], input?: string | Buffer): Promise<Ended>;
  /** Runs with `--json`. @returns exit code and document. */
  json<T>(args: readonly string[], input?: string): Promise<{ code: number | null; document: T }>;
}

/** Starts the program, or what `nodeArguments` say; whoever calls it ends its standard input. */
export function startProgram(
  args: readonly string[],
  environment: Record<string, string>,
  nodeArguments: readonly string[] = programArguments(),
  cwd = REPOSITORY,
) {
  const env = environmentWith(environment);
  const child = spawn(process.execPath, [...nodeArguments, ...args], { cwd, env });
  onTestFinished(() => void child.kill("SIGKILL"));
  const limit = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  child.once("close", () => clearTimeout(limit));
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

/** Runs the program in this process, with no other settings than those of `environment`: see `runHere`. */
export async function runCommand(
  args: readonly string[],
  environment: Record<string, string> = {},
  input: string | Buffer = "",
): Promise<Ended> {
  return await runHere(args, environmentWith(environment), input);
}

/** As `runCommand`, in a process of its own. */
export async function runProgram(
  args: readonly string[],
  environment: Record<string, string> = {},
  input: string | Buffer = "",
): Promise<Ended> {
  const { child, ended } = startProgram(args, environment);
  child.stdin.end(input);
  return await ended;
}

function environmentWith(own: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith("MNEMOSYNC_"));
  return { ...Object.fromEntries(foreign), ...own };
}

/** The declaration that a command's document must fit; null where it has none. */
function declaredAs([command = "", action]: readonly string[], document: object): string | null {
  if ("error" in document && !("status" in document)) return "error";
  if (command === "import") return "complete" in document ? "import-export" : "import";
  if (command === "get" && "memories" in document) return "get-many";
  if (command === "delete" || command === "rollback" || command === "patch") return "put";
  if (command === "erase" && "dryRun" in document) return "erase-preview";
  if (command === "erasures" && "erasureId" in document) return "erase";
  if (command === "revive") return "put";
  if (command === "conflicts" && action === "resolve") return null;
  if (command === "conflicts" && action === "show") return "conflict";
  if (command === "store") return { show: "store", forget: "store-forget" }[action ?? ""] ?? "stores";
  if (command === "queue" && action !== undefined && action !== "list") return null;
  return command in DOCUMENTS ? command : null;
}

export interface CommandLineOptions {
  /** The database has no schema, for tests of what makes it. @default false */
  readonly empty?: boolean;
  /** Each command is a process of its own. @default false */
  readonly isProcess?: boolean;
}

export async function openCommandLine({ empty, isProcess }: CommandLineOptions = {}): Promise<CommandLine> {
  const name = `cli_${randomBytes(6).toString("hex")}`;
  const database = await createTestDatabase(postgresUrl(), { empty: empty === true });
  const redis = new Redis(inject("redisUrl"));
  const directory = mkdtempSync(join(tmpdir(), "mnemosync-cli-test-"));
  onTestFinished(async () => {
    for await (const keys of redis.scanStream({ match: `${name}:*` })) if (keys.length > 0) await redis.unlink(keys);
    redis.disconnect();
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  });
  const environment = {
    MNEMOSYNC_POSTGRES_URL: database.url,
    MNEMOSYNC_REDIS_URL: inject("redisUrl"),
    MNEMOSYNC_REDIS_PREFIX: name,
    MNEMOSYNC_FAISS_DIRECTORY: directory,
    MNEMOSYNC_FAISS_DIMENSION: "64",
  };
  return { environment, redis, prefix: name, ...runnerIn(environment, isProcess === true ? runProgram : runCommand) };
}

/** The program on a world's stores, set up by environment. The world's own synchronizer must be closed. */
export function commandLineOf(world: World): Pick<CommandLine, "run" | "json"> {
  return runnerIn(environmentOf(world));
}

/** What sets the program up for a world's stores. */
export function environmentOf(world: World): Record<string, string> {
  return {
    MNEMOSYNC_POSTGRES_URL: world.databaseUrl,
    MNEMOSYNC_REDIS_URL: world.redisUrl,
    MNEMOSYNC_REDIS_PREFIX: world.prefix,
    MNEMOSYNC_FAISS_DIRECTORY: world.directory,
    MNEMOSYNC_FAISS_DIMENSION: String(world.dimension),
  };
}

function runnerIn(environment: Record<string, string>, how = runCommand): Pick<CommandLine, "run" | "json"> {
  const run: CommandLine["run"] = (args, input) => how(args, environment, input);
  return {
    run,
    async json(args, input) {
      const { code, stdout, stderr } = await run([...args, "--json"], input);
      const document = parsed(stdout, `${args.join(" ")} printed no document (exit ${code}): ${stdout}${stderr}`);
      const declared = declaredAs(args, document);
      if (declared !== null) DOCUMENTS[declared]?.parse(document);
      return { code, document: document as never };
    },
  };
}

function parsed(text: string, complaint: string): object {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(complaint, { cause });
  }
}
