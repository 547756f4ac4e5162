import { spawn } from "node:child_process";
import { programArguments, REPOSITORY } from "./program.ts";
import type { World } from "./world.ts";

/** Longer than any command of a test takes on a busy machine: a limit against hanging. */
const DEADLINE_MS = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `mnemosync` on a world's stores, set up by environment. The world's own synchronizer must be closed. */
export async function runProgram(world: World, ...args: string[]): Promise<Ended> {
  const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith("MNEMOSYNC_"));
  const env = {
    ...Object.fromEntries(foreign),
    MNEMOSYNC_POSTGRES_URL: world.databaseUrl,
    MNEMOSYNC_REDIS_URL: world.redisUrl,
    MNEMOSYNC_REDIS_PREFIX: world.prefix,
    MNEMOSYNC_FAISS_DIRECTORY: world.directory,
    MNEMOSYNC_FAISS_DIMENSION: String(world.dimension),
  };
  const child = spawn(process.execPath, [...programArguments(), ...args], {
    cwd: REPOSITORY,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE_MS,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** The same with `--json`. @returns exit code and document. */
export async function runForDocument<T>(
  world: World,
  ...args: string[]
): Promise<{ code: number | null; document: T }> {
  const { code, stdout, stderr } = await runProgram(world, ...args, "--json");
  try {
    return { code, document: JSON.parse(stdout) as T };
  } catch (error) {
    throw new Error(`${args.join(" ")} printed no document (exit ${code}): ${stdout}${stderr}`, { cause: error });
  }
}
