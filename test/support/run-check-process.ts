import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import type { ConnectOptions } from "../../src/index.ts";
import { inTime } from "./settles.ts";

export interface CheckProcess {
  readonly child: ChildProcess;
  /** Ends it with SIGKILL. Resolves once it is gone. */
  kill(): Promise<void>;
}

/** Starts `check-process.ts`. Resolves once it says that it is ready; it is gone at the end of the test. */
export async function startCheckProcess(order: {
  options: ConnectOptions;
  task: "deep check" | "loops";
  memoriesPerSecondMax?: number;
}): Promise<CheckProcess> {
  const program = fileURLToPath(new URL("./check-process.ts", import.meta.url));
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const child = spawn(process.execPath, ["--import", tsx, program, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  onTestFinished(() => void child.kill("SIGKILL"));
  const [text] = (await inTime("the start of a node", once(child.stdout, "data"), 120_000)) as [Buffer];
  if (!text.toString().startsWith("ready")) throw new Error(`the node said ${text.toString()}`);
  return {
    child,
    kill: async () => {
      child.kill("SIGKILL");
      await inTime("the end of a node", exited);
    },
  };
}
