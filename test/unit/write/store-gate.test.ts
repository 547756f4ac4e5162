import { describe, expect, test } from "vitest";
import { StoreRefusedError, StoreUnavailableError, ValidationError } from "../../../src/domain/errors.ts";
import type { ProjectionHealth } from "../../../src/stores/projection.ts";
import { countsAgainstStore, type Probed, StoreGate } from "../../../src/write/store-gate.ts";

const DOWN = new StoreUnavailableError("redis", "gone");

/** A store whose health a test decides, and a clock that it moves. */
class Fixture implements Probed {
  readonly id = "redis";
  now = 1_000;
  probes = 0;
  answer: ProjectionHealth = { state: "healthy" };
  release: (() => void) | null = null;
  readonly gate = new StoreGate<Probed>(this, {
    failuresMax: 3,
    probeIntervalMs: 100,
    probeTimeoutMs: 1_000,
    now: () => this.now,
  });

  async health(): Promise<ProjectionHealth> {
    this.probes++;
    await new Promise<void>((resolve) => {
      this.release = resolve;
    });
    return this.answer;
  }

  /** So many calls fail, one after the other. */
  fail(times: number): void {
    for (let turn = 0; turn < times; turn++) this.gate.failed(DOWN, this.gate.begin());
  }

  /** So many calls begin, and all of them fail. */
  failTogether(calls: number): void {
    const begun = Array.from({ length: calls }, () => this.gate.begin());
    for (const each of begun) this.gate.failed(DOWN, each);
  }

  async finishProbe(): Promise<void> {
    this.release?.();
    await this.gate.idle();
  }
}

describe("a store's gate", () => {
  test("opens after three failures in a row, and not before", () => {
    const fixture = new Fixture();
    const { gate } = fixture;
    expect([gate.state, gate.allows(), gate.lastError]).toEqual(["closed", true, null]);
    fixture.fail(2);
    expect([gate.state, gate.allows(), gate.lastError]).toEqual(["closed", true, DOWN]);
    fixture.fail(1);
    expect([gate.state, gate.allows()]).toEqual(["open", false]);
  });

  test("forgets failures that a success interrupts", () => {
    const fixture = new Fixture();
    const { gate } = fixture;
    for (let turn = 0; turn < 10; turn++) {
      fixture.fail(2);
      gate.succeeded();
    }
    expect([gate.state, gate.lastError]).toEqual(["closed", null]);
  });

  test.each([3, 500])("takes one lost link for one failure, though %i calls were under way", (calls) => {
    const fixture = new Fixture();
    fixture.failTogether(calls);
    expect([fixture.gate.state, fixture.gate.lastError]).toEqual(["closed", DOWN]);
    fixture.failTogether(calls);
    expect(fixture.gate.state).toBe("closed");
    fixture.failTogether(calls);
    expect(fixture.gate.state).toBe("open");
  });

  test("opens within three calls one after the other at a dead store, however many overlap with them", () => {
    const { gate } = new Fixture();
    // Four calls are under way all the time: where one fails, the next begins.
    const underWay = Array.from({ length: 4 }, () => gate.begin());
    let failures = 0;
    while (gate.state === "closed") {
      gate.failed(DOWN, underWay.shift() as number);
      underWay.push(gate.begin());
      failures++;
    }
    expect(failures).toBe(4 + 4 + 1);
  });

  test("does not count a failure that comes late, of a call from before one that counted", () => {
    const fixture = new Fixture();
    const { gate } = fixture;
    const slow = gate.begin();
    fixture.fail(1);
    gate.succeeded();
    gate.failed(DOWN, slow);
    expect([gate.state, gate.lastError]).toEqual(["closed", null]); // The store served after what it tells of.
    fixture.fail(2);
    gate.failed(DOWN, slow);
    expect(gate.state).toBe("closed");
    fixture.fail(1);
    expect(gate.state).toBe("open");
  });

  test("counts a failure of a call from before a success, where none has counted since the call began", () => {
    const { gate } = new Fixture();
    const begun = gate.begin();
    gate.succeeded();
    gate.failed(DOWN, begun);
    expect(gate.lastError).toBe(DOWN);
  });

  test("while open is probed by the side, one probe at a time, no more often than the interval", async () => {
    const fixture = new Fixture();
    fixture.fail(3);
    for (let turn = 0; turn < 5; turn++) expect(fixture.gate.allows()).toBe(false);
    expect(fixture.probes).toBe(0); // Not in the same breath as the failure.
    fixture.now += 99;
    expect([fixture.gate.allows(), fixture.probes]).toEqual([false, 0]);
    fixture.now += 1;
    expect([fixture.gate.allows(), fixture.gate.allows(), fixture.probes]).toEqual([false, false, 1]);
    fixture.now += 1_000;
    expect([fixture.gate.allows(), fixture.probes]).toEqual([false, 1]); // The first one is under way still.
    fixture.answer = { state: "down", reason: "gone" };
    await fixture.finishProbe();
    expect(fixture.gate.state).toBe("open");
    expect([fixture.gate.allows(), fixture.probes]).toEqual([false, 1]);
    fixture.now += 100;
    expect([fixture.gate.allows(), fixture.probes]).toEqual([false, 2]);
    await fixture.finishProbe();
  });

  test.each<[ProjectionHealth["state"], "closed" | "open"]>([
    ["healthy", "closed"],
    ["degraded", "open"],
    ["down", "open"],
  ])("after a probe that found the store %s is %s", async (state, expected) => {
    const fixture = new Fixture();
    fixture.fail(3);
    fixture.answer = state === "healthy" ? { state } : { state, reason: "x" };
    fixture.now += 100;
    fixture.gate.allows();
    await fixture.finishProbe();
    expect(fixture.gate.state).toBe(expected);
    expect(fixture.gate.allows()).toBe(expected === "closed");
    expect(fixture.gate.lastError).toBe(expected === "closed" ? null : DOWN);
    await fixture.finishProbe();
  });

  test("that was closed by a probe takes three failures to open again", async () => {
    const fixture = new Fixture();
    fixture.fail(50);
    fixture.now += 100;
    fixture.gate.allows();
    await fixture.finishProbe();
    fixture.fail(2);
    expect(fixture.gate.state).toBe("closed");
    fixture.fail(1);
    expect(fixture.gate.state).toBe("open");
  });

  test("can be probed at once, and closes by the answer", async () => {
    const fixture = new Fixture();
    fixture.fail(3);
    const probing = fixture.gate.probe();
    fixture.release?.();
    await probing;
    expect(fixture.gate.state).toBe("closed");
  });
});

test("only failures of the store count against it, not those of the data", () => {
  expect(countsAgainstStore(DOWN)).toBe(true);
  expect(countsAgainstStore(new StoreRefusedError("redis", "OOM"))).toBe(true);
  expect(countsAgainstStore(new ValidationError("embedding", "x"))).toBe(false);
  expect(countsAgainstStore(new Error("x"))).toBe(false);
});
