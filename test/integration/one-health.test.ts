import { expect, test } from "vitest";
import { OwnStore } from "../support/own-store.ts";
import { parsePrometheusText, sampleValue } from "../support/prometheus-text.ts";
import { openWorld } from "../support/world.ts";

/**
 * Goal: the circuit breaker of the writes and the health that operators see cannot disagree. Method: a store whose calls fail
 * while its probe says that all is well, and the other way round. A scrape of the metrics checks every store, where no
 * monitor runs in the background.
 */

class HalfBrokenStore extends OwnStore {
  probe: "healthy" | "down" = "healthy";

  override async health() {
    return this.probe === "healthy" ? { state: this.probe } : { state: this.probe, reason: "its probe failed" };
  }
}

const ID = "keywords";
const SETTINGS = { retriesMax: 0, retryDelayMs: 1, storeFailuresMax: 2, metricsFreshMs: 0 };
const MEMORY = { content: "a memory", memoryType: "episodic" };

test("a store that writes leave out is not reported as healthy, whatever its last check said", async (t) => {
  const store = new HalfBrokenStore();
  // No check comes by itself, and the gate asks for none within the test.
  const settings = { ...SETTINGS, storeProbeIntervalMs: 600_000, stores: [store] };
  const { sync } = await openWorld(t, { redis: false, faiss: false, settings });
  await sync.metrics.text();
  expect(sync.health()[ID]).toMatchObject({ state: "healthy" });
  store.unplug();
  for (let turn = 0; turn < 2; turn++) {
    expect(await sync.syncMemory("m1", { ...MEMORY, importance: turn / 10 })).toMatchObject({ status: "degraded" });
  }
  expect(sync.health()[ID]).toMatchObject({
    state: "degraded",
    reason: expect.stringContaining("left out of calls, since 2 in a row failed"),
  });
  const publishes = store.publishes;
  expect(await sync.syncMemory("m2", MEMORY)).toMatchObject({ stores: { [ID]: "pending" } });
  expect(store.publishes).toBe(publishes);

  // A check of the monitor's is a check of the breaker's too.
  store.plugIn();
  await sync.metrics.text();
  expect(sync.health()[ID]).toMatchObject({ state: "healthy", reason: null });
  expect(await sync.syncMemory("m3", MEMORY)).toMatchObject({ stores: { [ID]: "applied" } });
});

test("a store that checks find down is left out after one failed call, and a call is tried", async (t) => {
  const store = new HalfBrokenStore();
  const settings = { ...SETTINGS, storeFailuresMax: 1_000, storeProbeIntervalMs: 600_000, stores: [store] };
  const { sync } = await openWorld(t, { redis: false, faiss: false, settings });
  store.probe = "down";
  await sync.metrics.text();
  const up = async () =>
    sampleValue(parsePrometheusText(await sync.metrics.text()), "mnemosync_store_up", { store: ID });
  expect([sync.health()[ID]?.state, await up()]).toEqual(["down", 0]);
  // Its probe may be wrong, or the store back already: a write finds out.
  expect(await sync.syncMemory("m1", MEMORY)).toMatchObject({ stores: { [ID]: "applied" } });
  store.unplug();
  expect(await sync.syncMemory("m2", MEMORY)).toMatchObject({ stores: { [ID]: "pending" } });
  const publishes = store.publishes;
  expect(await sync.syncMemory("m3", MEMORY)).toMatchObject({ stores: { [ID]: "pending" } });
  expect(store.publishes).toBe(publishes);
});

test("a status and the health that is reported after it agree, also for an outage that no check had seen", async (t) => {
  const store = new HalfBrokenStore();
  const { sync } = await openWorld(t, { redis: false, faiss: false, settings: { ...SETTINGS, stores: [store] } });
  const agreed = async (): Promise<string | undefined> => {
    const { stores } = await sync.status();
    const health = sync.health();
    for (const [id, { state, reason }] of Object.entries(stores)) {
      expect([id, state, reason ?? null]).toEqual([id, health[id]?.state, health[id]?.reason]);
    }
    return stores[ID]?.state;
  };
  expect(await agreed()).toBe("healthy");
  store.probe = "down";
  expect(await agreed()).toBe("down");
  store.probe = "healthy";
  expect(await agreed()).toBe("healthy");
  // Of some namespaces alone, too.
  store.probe = "down";
  expect((await sync.status({ namespaces: ["default"] })).stores[ID]).toEqual({ state: "down", memories: null });
  expect(sync.health()[ID]).toMatchObject({ state: "down", reason: "its probe failed" });
});

test("a store that is well and can't be counted says so in the status, and stays healthy", async (t) => {
  const store = new HalfBrokenStore();
  const { sync } = await openWorld(t, { redis: false, faiss: false, settings: { ...SETTINGS, stores: [store] } });
  store.unplug();
  expect((await sync.status()).stores[ID]).toEqual({
    state: "healthy",
    memories: null,
    reason: expect.stringContaining("its memories could not be counted: "),
  });
  expect(sync.health()[ID]).toMatchObject({ state: "healthy" });
});
