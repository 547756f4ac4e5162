import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { StatusSamples } from "../../../src/http/status-samples.ts";
import { silentLog } from "../../../src/runtime/log.ts";

/** Goal: a sample says what the metrics say, and an hour of samples is kept. Method: metrics and clocks of the test. */

function metrics() {
  const registry = new Registry();
  const own = { help: "of the test", registers: [registry] };
  return {
    registry,
    writes: new Counter({ name: "mnemosync_sync_total", labelNames: ["operation", "outcome"], ...own }),
    searches: new Histogram({ name: "mnemosync_search_duration_seconds", ...own }),
    queue: new Gauge({ name: "mnemosync_queue_depth", labelNames: ["store", "state"], ...own }),
    lag: new Gauge({ name: "mnemosync_store_lag_seconds", labelNames: ["store"], ...own }),
  };
}

test("rates are since the sample before; failures are no writes; dead letters do not wait", async () => {
  const { registry, writes, searches, queue, lag } = metrics();
  let seconds = 0;
  const samples = new StatusSamples({
    ...{ registry, log: silentLog, clock: () => seconds * 1_000, now: () => 5_000_000 + seconds * 1_000 },
  });
  writes.inc({ operation: "sync_batch", outcome: "synced" }, 1_000); // Before the first look: no rate is known.
  await samples.take();
  writes.inc({ operation: "sync_batch", outcome: "synced" }, 30);
  writes.inc({ operation: "delete", outcome: "degraded" }, 10);
  writes.inc({ operation: "delete", outcome: "failed" }, 99);
  for (let times = 0; times < 5; times++) searches.observe(0.1);
  queue.set({ store: "redis", state: "pending" }, 3);
  queue.set({ store: "faiss", state: "failed" }, 4);
  queue.set({ store: "faiss", state: "dead" }, 2);
  lag.set({ store: "faiss" }, 1.5);
  seconds = 10;
  await samples.take();
  expect(samples.after(0)).toEqual([
    { at: 5_000_000, writesPerSecond: 0, searchesPerSecond: 0, pending: 0, dead: 0, lagSeconds: {} },
    {
      ...{ at: 5_010_000, writesPerSecond: 4, searchesPerSecond: 0.5, pending: 7, dead: 2 },
      lagSeconds: { faiss: 1.5 },
    },
  ]);
  expect(samples.after(5_000_000)).toHaveLength(1);
});

test("an hour is kept, of a sample each ten seconds", async () => {
  let at = 0;
  const samples = new StatusSamples({ registry: new Registry(), log: silentLog, now: () => at, clock: () => at });
  for (at = 1; at <= 400; at++) await samples.take();
  const kept = samples.after(0);
  expect(kept).toHaveLength(360);
  expect([kept[0]?.at, kept.at(-1)?.at]).toEqual([41, 400]);
});
