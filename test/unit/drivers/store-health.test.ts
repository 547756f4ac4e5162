import { expect, test } from "vitest";
import {
  HEALTH_TRANSITIONS,
  type HealthPhase,
  type HealthState,
  type Observation,
  StoreHealth,
} from "../../../src/runtime/store-health.ts";

/** Observations that lead from the start to each phase. */
const WAYS: Record<HealthPhase, readonly Observation[]> = {
  unknown: [],
  healthy: ["up"],
  failing: ["up", "failed"],
  down: ["failed"],
  recovering: ["failed", "up"],
  impaired: ["impaired"],
  easing: ["impaired", "up"],
};

/** What operators see after each phase and observation: written down here once more, by hand. */
const EXPECTED: Record<HealthPhase, Record<Observation, HealthState>> = {
  unknown: { up: "healthy", impaired: "degraded", failed: "down" },
  healthy: { up: "healthy", impaired: "degraded", failed: "degraded" },
  failing: { up: "degraded", impaired: "degraded", failed: "down" },
  down: { up: "degraded", impaired: "degraded", failed: "down" },
  recovering: { up: "healthy", impaired: "degraded", failed: "down" },
  impaired: { up: "degraded", impaired: "degraded", failed: "degraded" },
  easing: { up: "healthy", impaired: "degraded", failed: "degraded" },
};

for (const phase of Object.keys(HEALTH_TRANSITIONS) as HealthPhase[]) {
  for (const observation of ["up", "impaired", "failed"] as const) {
    test(`${phase}, then ${observation}: ${EXPECTED[phase][observation]}`, () => {
      const health = new StoreHealth();
      for (const step of WAYS[phase]) health.observe(step, "because");
      expect(health.phase).toBe(phase);
      const before = health.state;
      const changed = health.observe(observation, "because");
      expect(health.state).toBe(EXPECTED[phase][observation]);
      expect(changed).toBe(health.state !== before);
      expect(health.reason === null).toBe(health.state === "healthy");
    });
  }
}

test("one failure among successes never makes a store down, nor one success among failures healthy", () => {
  const health = new StoreHealth();
  health.observe("up", null);
  for (let turn = 0; turn < 10; turn++) {
    health.observe("failed", "a blip");
    expect(health.state).toBe("degraded");
    health.observe("up", null);
    expect(health.state).toBe("degraded");
    health.observe("up", null);
    expect(health.state).toBe("healthy");
  }
});

test("nor does one failure after a slow answer", () => {
  const health = new StoreHealth();
  for (const step of ["up", "impaired", "up", "failed"] as const) health.observe(step, "slow");
  expect(health.state).toBe("degraded");
  health.observe("failed", "no answer");
  expect(health.state).toBe("down");
});

test.each<[HealthPhase, number]>([
  ["healthy", 3],
  ["impaired", 3],
  ["recovering", 3],
  ["down", 1],
])("calls leave out a store that is %s after %i failures in a row, and it is not reported as healthy", (phase, max) => {
  const health = new StoreHealth();
  for (const step of WAYS[phase]) health.observe(step, "because");
  for (let failures = 1; failures < max; failures++) {
    health.callFailed("no answer");
    expect(health.isLeftOut).toBe(false);
  }
  health.callFailed("no answer");
  expect(health.isLeftOut).toBe(true);
  expect(health.state).toBe(phase === "down" ? "down" : "degraded");
  expect(health.reason).not.toBeNull();
  if (phase === "healthy") expect(health.reason).toBe("left out of calls, since 3 in a row failed: no answer");
  health.served();
  expect([health.isLeftOut, health.callFailures]).toEqual([false, 0]);
});

test("failed calls and a success in turn never have a store left out", () => {
  const health = new StoreHealth();
  health.observe("up", null);
  for (let turn = 0; turn < 10; turn++) {
    health.callFailed("a blip");
    expect(health.callFailed("a blip")).toBe(false);
    expect(health.served()).toBe(false);
  }
  expect([health.state, health.reason]).toEqual(["healthy", null]);
});
