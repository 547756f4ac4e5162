import { spawn } from "node:child_process";
import { onTestFinished } from "vitest";
import { programArguments, REPOSITORY } from "./program.ts";

/** Longer than a command takes on a busy machine. */
const DEADLINE_MS = 240_000;

/**
 * Runs the program in a pseudo-terminal (`script` of util-linux) of this width.
 * @returns what the terminal received, without carriage returns, and the exit code.
 */
export async function runInTerminal(
  args: readonly string[],
  environment: Record<string, string>,
  columns: number,
): Promise<{ code: number | null; screen: string }> {
  const program = [process.execPath, ...programArguments(), ...args].map(quoted).join(" ");
  const command = `stty cols ${columns} rows 24; exec ${program}`;
  // Node takes a terminal for colourless where CI is set.
  const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...inherited } = process.env;
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    cwd: REPOSITORY,
    env: { ...inherited, TERM: "xterm-256color", ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const limit = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  let screen = "";
  child.stdout.on("data", (chunk) => {
    screen += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearTimeout(limit);
  return { code, screen: screen.replaceAll("\r", "") };
}

/** For the shell of `script`. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
