import type { ServerResponse } from "node:http";
import { jobDocument } from "../documents/job-documents.ts";
import { onAbort } from "../runtime/on-abort.ts";
import type { Service } from "./route.ts";

/** Milliseconds between comments that keep proxies from closing a silent stream. */
const HEARTBEAT_MS = 15_000;
/** Milliseconds between two progress events at least: a fast check would flood its watchers. */
const PROGRESS_MS = 200;

/** Sends a job's changes as server-sent events, until it has ended, the caller hangs up, or the service stops. */
export function streamJob(service: Service, id: string, response: ServerResponse, hangUp: AbortSignal): void {
  response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
  const ending = new AbortController();
  const forgets = [hangUp, service.stopping].map((signal) => onAbort(signal, () => ending.abort()));
  if (hangUp.aborted || service.stopping.aborted) ending.abort();
  const heartbeat = setInterval(() => response.writableNeedDrain || response.write(": still here\n\n"), HEARTBEAT_MS);
  void sendChanges(service, id, response, ending.signal)
    .catch((error: unknown) => {
      // The stream ends without `end`: its reader asks again, and the answer names the failure.
      if (!ending.signal.aborted) service.log.warn({ jobId: id, error: (error as Error).message }, "http.stream_cut");
    })
    .finally(() => {
      clearInterval(heartbeat);
      for (const forget of forgets) forget();
      response.end();
    });
}

async function sendChanges(service: Service, id: string, response: ServerResponse, signal: AbortSignal): Promise<void> {
  const { jobs } = service.sync;
  let sentAt = Number.NEGATIVE_INFINITY;
  const send = (event: "progress" | "end", job: object): void => {
    sentAt = performance.now();
    response.write(`event: ${event}\ndata: ${JSON.stringify(job)}\n\n`);
  };
  for await (const job of jobs.changes(id, { signal })) {
    const shown = jobDocument(jobs, job);
    if (shown.state !== "running") send("end", shown);
    // A watcher that does not read gets fewer events, not a growing buffer.
    else if (!response.writableNeedDrain && performance.now() - sentAt >= PROGRESS_MS) send("progress", shown);
  }
}
