import { jobDocument } from "../documents/job-documents.ts";
import type { EventStream } from "./event-stream.ts";
import type { Service } from "./route.ts";

/** Milliseconds between two progress events at least: a fast check would flood its watchers. */
const PROGRESS_MS = 200;

/** Sends a job's changes, until it has ended or the stream does. */
export async function sendJob({ sync: { jobs } }: Service, id: string, stream: EventStream): Promise<void> {
  let sentAt = Number.NEGATIVE_INFINITY;
  for await (const job of jobs.changes(id, { signal: stream.signal })) {
    const data = jobDocument(jobs, job);
    if (data.state !== "running") await stream.send({ event: "end", data });
    // A watcher that does not read gets fewer events.
    else if (!stream.isBehind && performance.now() - sentAt >= PROGRESS_MS) {
      sentAt = performance.now();
      await stream.send({ event: "progress", data });
    }
  }
}
