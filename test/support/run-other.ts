import { spawn } from "node:child_process";

/** How another program ended. */
export interface EndedOther {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, beside the work of this process: a process of tests that does nothing else for a minute is taken for
 * lost by the test runner.
 */
export function runOther(
  program: string,
  args: readonly string[],
  { timeoutMs = 300_000, ...options }: { cwd?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<EndedOther> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"], timeout: timeoutMs });
    const written = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        written[name] += text;
      });
    }
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, ...written }));
  });
}
