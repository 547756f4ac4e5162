import { setTimeout as delay } from "node:timers/promises";
import { MovingLedger } from "../../src/ledger/moving-ledger.ts";
import { connectWithHooks } from "../../src/synchronizer/with-hooks.ts";
import type { MoveCrashOrder } from "./crash-run.ts";

/**
 * The mover that dies. Run as a child process with a `MoveCrashOrder` as JSON in its argument: runs the job `move_bodies` in
 * batches of 7 and ends itself with SIGKILL at the n-th batch, or at the replacement of the index.
 */
const order = JSON.parse(process.argv[2] ?? "{}") as MoveCrashOrder;
let batches = 0;

type Call = (...args: unknown[]) => Promise<unknown>;

/** Kills the process in the call: before it, while it is under way, or after its answer and before the checkpoint. */
function dieIn(method: "moveBatch" | "replaceFeedIndex"): void {
  const calls = MovingLedger.prototype as unknown as Record<string, Call>;
  const original = calls[method] as Call;
  calls[method] = async function (this: unknown, ...args) {
    if (method === "moveBatch" && ++batches < order.batch) return await original.apply(this, args);
    const answer = original.apply(this, args);
    if (order.point === "during") {
      answer.catch(() => undefined);
      await delay(2);
    } else await answer;
    process.kill(process.pid, "SIGKILL");
    return await answer;
  };
}

dieIn(order.call);
const sync = await connectWithHooks(order.options);
await sync.jobs.start("move_bodies", { batchSize: 7 });
