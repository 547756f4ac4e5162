import type { ServerResponse } from "node:http";
import type { Job } from "../jobs/jobs.ts";
import { onAbort } from "../runtime/on-abort.ts";
import type { Service } from "./route.ts";

/** Milliseconds between comments that keep proxies from closing a silent stream. */
const HEARTBEAT_MS = 15_000;
/** Milliseconds between two progress events at least: a fast check would flood its watchers. */
const PROGRESS_MS = 200;

/** Sends a job's changes as server-sent events, until it has ended, the caller hangs up, or the service stops. */
export function streamJob(service: Service, id: string, response: ServerResponse, hangUp: AbortSignal): void {
  response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
  let sentAt = Number.NEGATIVE_INFINITY;
  const send = (event: "progress" | "end", job: Job): void => {
    // A watcher that does not read gets fewer events, not a growing buffer.
    if (event === "progress" && (response.writableNeedDrain || performance.now() - sentAt < PROGRESS_MS)) return;
    sentAt = performance.now();
    response.write(`event: ${event}\ndata: ${JSON.stringify(job)}\n\n`);
  };
  const heartbeat = setInterval(() => response.writableNeedDrain || response.write(": still here\n\n"), HEARTBEAT_MS);
  const end = (): void => {
    clearInterval(heartbeat);
    for (const forget of forgets) forget();
    response.end();
  };
  const tell = (job: Job): void => {
    send(job.state === "running" ? "progress" : "end", job);
    if (job.state !== "running") end();
  };
  const forgets = [service.jobs.watch(id, tell), onAbort(hangUp, end), onAbort(service.stopping, end)];
  if (hangUp.aborted || service.stopping.aborted) end();
  else tell(service.jobs.get(id));
}
