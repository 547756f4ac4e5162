import { connectorRunDocument } from "../documents/connector-documents.ts";
import { jobDocument } from "../documents/job-documents.ts";
import type { EventStream } from "./event-stream.ts";
import type { Service } from "./route.ts";

/** Milliseconds between two progress events at least: a fast check would flood its watchers. */
const PROGRESS_MS = 200;

/** Sends a job's changes, until it has ended or the stream does. */
export async function sendJob({ sync: { jobs } }: Service, id: string, stream: EventStream): Promise<void> {
  const changes = jobs.changes(id, { signal: stream.signal });
  await sendProgress(changes, (job) => jobDocument(jobs, job), stream);
}

/** Sends the changes of a connector's run, until it has ended or the stream does. */
export async function sendRun(
  { sync: { connectors } }: Service,
  connectorId: string,
  runId: string,
  stream: EventStream,
): Promise<void> {
  const changes = connectors.watch(connectorId, runId, { signal: stream.signal });
  await sendProgress(changes, connectorRunDocument, stream);
}

/** What has not begun yet, or goes on. */
const UNDER_WAY: ReadonlySet<string> = new Set(["queued", "running"]);

async function sendProgress<Change>(
  changes: AsyncIterable<Change>,
  documentOf: (change: Change) => { readonly state: string },
  stream: EventStream,
): Promise<void> {
  let sentAt = Number.NEGATIVE_INFINITY;
  for await (const change of changes) {
    const data = documentOf(change);
    if (!UNDER_WAY.has(data.state)) await stream.send({ event: "end", data });
    // A watcher that does not read gets fewer events.
    else if (!stream.isBehind && performance.now() - sentAt >= PROGRESS_MS) {
      sentAt = performance.now();
      await stream.send({ event: "progress", data });
    }
  }
}
