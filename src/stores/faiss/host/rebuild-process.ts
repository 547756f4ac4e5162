import { fork } from "node:child_process";
import { rebuildProgram } from "../client/host-programs.ts";
import type { HeldFile } from "../snapshots/held-file.ts";
import type { RebuildJob, RebuildResult } from "./rebuild-job.ts";
import type { RebuildAnswer } from "./rebuild-worker.ts";

const STDERR_KEPT = 2_000;

/** A running rebuild worker. */
export interface RebuildProcess {
  /** Rejects with the worker's error, or with how it ended. */
  readonly result: Promise<RebuildResult>;
  /** Kills the worker. Safe when it has ended. */
  kill(): void;
}

/**
 * Starts a worker for `job`. The worker ends with its job, with this process, or when killed.
 * @param first the file that the worker inherits as `FIRST_ROWS_DESCRIPTOR`; null for none. It is unlinked, so the worker
 *   cannot open it by path.
 * @param threads FAISS threads of the worker.
 */
export function startRebuild(job: RebuildJob, first: HeldFile | null, threads: number): RebuildProcess {
  const { path, nodeArguments } = rebuildProgram();
  const worker = fork(path, [], {
    serialization: "advanced",
    // As in the host: see `dropped` in faiss.ts.
    execArgv: ["--expose-gc", ...nodeArguments],
    env: { ...process.env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) },
    // The fifth entry becomes descriptor 4, which is FIRST_ROWS_DESCRIPTOR.
    stdio: ["ignore", "ignore", "pipe", "ipc", ...(first === null ? [] : [first.descriptor])],
  });
  const kill = (): void => void worker.kill("SIGKILL");
  const result = new Promise<RebuildResult>((resolve, reject) => {
    let said = "";
    let answer: RebuildAnswer | null = null;
    worker.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-STDERR_KEPT);
    });
    worker.once("message", (message) => {
      answer = message as RebuildAnswer;
    });
    worker.once("error", reject);
    worker.once("exit", (code, signal) => {
      if (answer !== null && "result" in answer) return resolve(answer.result);
      const reason = answer?.error ?? `it ended with ${signal ?? `exit code ${code}`}: ${said.trim()}`;
      reject(new Error(`the worker that builds the index failed: ${reason}`));
    });
    worker.send(job, (error) => error !== null && kill());
  });
  return { result, kill };
}
