import { connectorRunDocument } from "../documents/connector-documents.ts";
import type { EventStream } from "./event-stream.ts";
import type { Service } from "./route.ts";

/** Milliseconds between two progress events at least. */
const PROGRESS_MS = 200;

/** Sends the changes of a connector's run, until it has ended or the stream does. */
export async function sendRun(
  { sync: { connectors } }: Service,
  connectorId: string,
  runId: string,
  stream: EventStream,
): Promise<void> {
  let sentAt = Number.NEGATIVE_INFINITY;
  for await (const run of connectors.watch(connectorId, runId, { signal: stream.signal })) {
    const data = connectorRunDocument(run);
    if (run.state !== "running" && run.state !== "queued") await stream.send({ event: "end", data });
    // A watcher that does not read gets fewer events.
    else if (!stream.isBehind && performance.now() - sentAt >= PROGRESS_MS) {
      sentAt = performance.now();
      await stream.send({ event: "progress", data });
    }
  }
}
