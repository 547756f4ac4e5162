import { parentPort, workerData } from "node:worker_threads";
import { EdgeFile } from "../file/edge-file.ts";
import { loadDriver } from "../sqlite/drivers.ts";
import { HubCalls } from "./hub-calls.ts";
import { type WireError, type WorkerAnswer, type WorkerCall, type WorkerStart, wireError } from "./messages.ts";
import { Resting } from "./resting.ts";

/** The thread that SQLite runs in: calls come in one at a time, and are answered in that order. */
function run(): void {
  const port = parentPort;
  if (port === null) throw new Error("the edge's worker runs as a worker thread only");
  const answer = (message: WorkerAnswer) => port.postMessage(message);
  const { driver, options, nowMs, hub } = workerData as WorkerStart;
  let file: EdgeFile;
  try {
    file = new EdgeFile(loadDriver(driver), options, nowMs);
  } catch (error) {
    answer({ id: 0, error: wireError(error) });
    return;
  }
  answer({ id: 0, result: { rescue: file.rescue } });
  const hubCalls = hub === null ? null : new HubCalls(hub, file);
  const resting = new Resting(file);
  port.on("message", (call: WorkerCall) => {
    resting.disturb();
    if ("ended" in call) {
      hubCalls?.end(call.ended);
      return;
    }
    if ("hub" in call) {
      hubCalls?.make(call).then(
        (result) => answer({ id: call.id, result }),
        (error: unknown) => answer({ id: call.id, error: wireError(error) }),
      );
      return;
    }
    const { id, name, args } = call;
    const done = attempt(() => (file[name] as (...args: readonly unknown[]) => unknown).apply(file, args as unknown[]));
    answer({ id, ...done });
    if (name !== "close" && name !== "abandon") return;
    resting.end();
    port.close();
  });
}

function attempt(work: () => unknown): { readonly result: unknown } | { readonly error: WireError } {
  try {
    return { result: work() };
  } catch (error) {
    return { error: wireError(error) };
  }
}

run();
