import { test, vi } from "vitest";
import { followWithCuts } from "../support/cut-reader.ts";
import { openEvents } from "../support/event-service.ts";

/** Goal: no reader over HTTP misses a change, however often its connection is cut. */

vi.setConfig({ testTimeout: 400_000 });

for (const reading of ["changes", "versions"] as const) {
  test(`10,000 changes under load, a stream of ${reading} cut and resumed: each once, in order per memory`, async (t) => {
    const world = { faiss: false, settings: { historyVersionsMax: 1_000 } } as const;
    const service = await openEvents(t, { world });
    await followWithCuts(service, { reading, changes: 10_000, eventsMax: 300, cutsMin: 20, restMs: 120_000 });
  });
}
