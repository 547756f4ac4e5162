import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { EdgeFile } from "../file/edge-file.ts";
import type { Ended } from "../file/sql-file.ts";
import { loadDriver } from "../sqlite/drivers.ts";
import { gatherWrites, isWrite } from "./gathered-writes.ts";
import { HubCalls } from "./hub-calls.ts";
import {
  type FileWork,
  type WireError,
  type WorkerAnswer,
  type WorkerCall,
  type WorkerStart,
  wireError,
} from "./messages.ts";
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
  const work = ({ name, args }: FileWork): unknown => {
    const result = (file[name] as (...args: readonly unknown[]) => unknown).apply(file, args as unknown[]);
    return hubCalls === null || isEnd(name) ? result : hubCalls.batches.answerOf(name, result);
  };
  const serve = (call: WorkerCall): void => {
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
    answer({ id: call.id, ...attempt(() => work(call)) });
    if (!isEnd(call.name)) return;
    resting.end();
    port.close();
  };
  const serveTogether = (writes: readonly FileWork[]): void => {
    const ended = attempt(() => file.together(writes.map((call) => () => work(call))));
    for (const [index, { id }] of writes.entries()) {
      if ("error" in ended) answer({ id, error: ended.error });
      else answer({ id, ...wireEnded((ended.result as readonly Ended<unknown>[])[index] as Ended<unknown>) });
    }
  };
  // The writes of many callers, or of one that does not wait for each, share a commit.
  const take = (): WorkerCall | undefined => receiveMessageOnPort(port)?.message;
  port.on("message", (call: WorkerCall) => {
    resting.disturb();
    if (!isWrite(call)) return serve(call);
    const { writes, behind } = gatherWrites(call, take);
    if (writes.length === 1) serve(call);
    else serveTogether(writes);
    if (behind !== undefined) serve(behind);
  });
}

function wireEnded(ended: Ended<unknown>): { readonly result: unknown } | { readonly error: WireError } {
  return "error" in ended ? { error: wireError(ended.error) } : ended;
}

function isEnd(name: FileWork["name"]): name is "close" | "abandon" {
  return name === "close" || name === "abandon";
}

function attempt(work: () => unknown): { readonly result: unknown } | { readonly error: WireError } {
  try {
    return { result: work() };
  } catch (error) {
    return { error: wireError(error) };
  }
}

run();
