import { connectWithHooks } from "../../src/synchronizer/with-hooks.ts";
import type { EraseCrashOrder } from "./crash-run.ts";

/**
 * The eraser that dies. Run as a child process with an `EraseCrashOrder` as JSON in its argument: erases a namespace, and ends
 * itself with SIGKILL at the n-th pass of the crash point. Nothing of it is closed, flushed or caught.
 */
const order = JSON.parse(process.argv[2] ?? "{}") as EraseCrashOrder;
let passes = 0;

const sync = await connectWithHooks({
  ...order.options,
  onEraseStep: (step) => {
    if (step === order.point && ++passes >= order.pass) process.kill(process.pid, "SIGKILL");
  },
});
await sync.eraseNamespace(order.namespace);
throw new Error(`the eraser passed ${order.point} ${passes} times, and not ${order.pass}`);
