import { fork } from "node:child_process";
import { rebuildProgram } from "../client/host-programs.ts";
import type { HeldFile } from "../snapshots/held-file.ts";
import type { RebuildJob, RebuildResult } from "./rebuild-job.ts";
import type { RebuildAnswer } from "./rebuild-worker.ts";

const STDERR_KEPT = 2_000;

/** A worker at its job. */
export interface RebuildProcess {
  /** Rejects with what the worker said, or how it ended. */
  readonly result: Promise<RebuildResult>;
  /** Ends it at once. Safe when it has ended. */
  kill(): void;
}

/**
 * Starts a worker on `job`. It ends with its job, with this process, or when it is killed.
 * @param first the file that it reads as `FIRST_ROWS_DESCRIPTOR`; null for none. It has no name that could be told.
 * @param threads that FAISS may use there.
 */
export function startRebuild(job: RebuildJob, first: HeldFile | null, threads: number): RebuildProcess {
  const { path, nodeArguments } = rebuildProgram();
  const worker = fork(path, [], {
    serialization: "advanced",
    // As in the host: see `dropped` in faiss.ts.
    execArgv: ["--expose-gc", ...nodeArguments],
    env: { ...process.env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) },
    // The fifth of them has descriptor 4, which is FIRST_ROWS_DESCRIPTOR.
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
