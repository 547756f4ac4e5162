import { statusSampleDocument } from "../documents/operation-documents.ts";
import { pause } from "../runtime/deadline.ts";
import type { EventStream } from "./event-stream.ts";
import type { Identity } from "./keys.ts";
import type { Service } from "./route.ts";
import { sharedStatus } from "./shared-status.ts";

/** Milliseconds between two events. */
const EVERY_MS = 2_000;

/** Sends the status until the stream ends: the first event has the last hour's samples, each other one those that are new. */
export async function sendStatus(service: Service, identity: Identity, stream: EventStream): Promise<void> {
  let sentUpTo = Number.NEGATIVE_INFINITY;
  while (!stream.signal.aborted) {
    // A watcher that does not read gets fewer events.
    if (!stream.isBehind) {
      const { value: status, ageMs } = await sharedStatus(service.sync, identity);
      // They tell of all namespaces.
      const samples = identity.namespaces === null ? (service.samples?.after(sentUpTo) ?? []) : [];
      sentUpTo = samples.at(-1)?.at ?? sentUpTo;
      const at = new Date(Date.now() - ageMs).toISOString();
      await stream.send({ event: "status", data: { at, status, samples: samples.map(statusSampleDocument) } });
    }
    await pause(EVERY_MS, stream.signal);
  }
}
