import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HealthMonitor, type ProbeAnswer } from "../../../src/runtime/health-monitor.ts";
import type { HealthState } from "../../../src/runtime/store-health.ts";

/** Goal: states follow within two intervals, checks have deadlines and keep their distance. The clock is moved by hand. */

const INTERVAL_MS = 10_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(async () => {
  for (const monitor of monitors.splice(0)) await monitor.stop();
  vi.useRealTimers();
});

const monitors: HealthMonitor[] = [];

interface Store {
  answer: () => Promise<ProbeAnswer>;
  probes: number;
}

function watched() {
  const store: Store = { answer: async () => ({ state: "healthy" }), probes: 0 };
  const changes: HealthState[] = [];
  const outcomes: HealthState[] = [];
  const monitor = new HealthMonitor({
    store: "redis",
    intervalMs: INTERVAL_MS,
    now: Date.now,
    probe: () => {
      store.probes++;
      return store.answer();
    },
    onChecked: (outcome) => outcomes.push(outcome),
    onChanged: (_, to) => changes.push(to),
  });
  monitors.push(monitor);
  return { monitor, store, changes, outcomes };
}

const silence = (): Promise<ProbeAnswer> => new Promise(() => undefined);

test.each([0, 0.25, 0.5, 0.99])(
  "a store that falls silent %s of an interval after a check is down within two",
  async (part) => {
    const { monitor, store, changes } = watched();
    monitor.start();
    await vi.advanceTimersByTimeAsync(INTERVAL_MS * (3 + part));
    expect(monitor.state).toBe("healthy");
    store.answer = silence;
    await vi.advanceTimersByTimeAsync(INTERVAL_MS * 2);
    expect(monitor.state).toBe("down");
    store.answer = async () => ({ state: "healthy" });
    await vi.advanceTimersByTimeAsync(INTERVAL_MS * 2);
    expect(monitor.state).toBe("healthy");
    expect(changes).toEqual(["healthy", "degraded", "down", "degraded", "healthy"]);
  },
);

test("a store that refuses is degraded for as long as it does, never down", async () => {
  const { monitor, store } = watched();
  monitor.start();
  await vi.advanceTimersByTimeAsync(1);
  store.answer = async () => ({ state: "degraded", reason: "read-only" });
  await vi.advanceTimersByTimeAsync(INTERVAL_MS * 20);
  expect(monitor.report()).toMatchObject({ state: "degraded", reason: "read-only", checksFailed: 0 });
});

test("an answer that takes long counts as degraded", async () => {
  const { monitor, store, outcomes } = watched();
  store.answer = () => new Promise((resolve) => setTimeout(() => resolve({ state: "healthy" }), 1_500));
  const checked = monitor.check();
  await vi.advanceTimersByTimeAsync(1_500);
  await checked;
  expect(outcomes).toEqual(["degraded"]);
  expect(monitor.report()).toMatchObject({ reason: "its answer took 1500 ms", lastCheckMs: 1_500 });
});

test("a probe that rejects is a failed check, not an error", async () => {
  const { monitor, store } = watched();
  store.answer = async () => {
    throw new Error("no route");
  };
  await monitor.check();
  expect(monitor.report()).toMatchObject({ state: "down", reason: "no route", checks: 1, checksFailed: 1 });
});

test("a hint brings the next check forward, and a thousand hints bring one", async () => {
  const { monitor, store } = watched();
  monitor.start();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(store.probes).toBe(1);
  for (let turn = 0; turn < 1_000; turn++) monitor.hint();
  await vi.advanceTimersByTimeAsync(50);
  expect(store.probes).toBe(2);
  monitor.hint();
  await vi.advanceTimersByTimeAsync(100);
  expect(store.probes).toBe(2); // A quarter of a second apart at least.
  await vi.advanceTimersByTimeAsync(200);
  expect(store.probes).toBe(3);
});

test("calls for a check side by side share one, and a fresh one is not repeated", async () => {
  const { monitor, store } = watched();
  await Promise.all([monitor.check(), monitor.check(), monitor.checkIfOlder(0)]);
  expect(store.probes).toBe(1);
  await monitor.checkIfOlder(1_000);
  expect(store.probes).toBe(1);
  await vi.advanceTimersByTimeAsync(1_000);
  await monitor.checkIfOlder(1_000);
  expect(store.probes).toBe(2);
});

test("stop ends a check that hangs, and says nothing of the store because of it", async () => {
  const { monitor, store } = watched();
  monitor.start();
  await vi.advanceTimersByTimeAsync(1);
  store.answer = silence;
  const checked = monitor.check();
  await monitor.stop();
  await checked;
  expect(monitor.state).toBe("healthy");
  expect(vi.getTimerCount()).toBe(0);
});
