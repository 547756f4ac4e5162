import { expect, test } from "vitest";
import { Leadership } from "../../../src/consistency/loop/leadership.ts";
import { StoreUnavailableError } from "../../../src/domain/errors.ts";
import { CheckRecordsState, InMemoryCheckRecords } from "../../support/in-memory-check-records.ts";

const signal = new AbortController().signal;
const log = { debug() {}, info() {}, warn() {}, error() {} };
const LEASE_MS = 900;

/** Two nodes that ask for one role, on a clock that tests move. */
function nodes() {
  const clock = { now: 0 };
  const records = new InMemoryCheckRecords("any", () => clock.now, new CheckRecordsState());
  const node = (holder: string, of: Pick<InMemoryCheckRecords, "acquireLease" | "releaseLease"> = records) =>
    new Leadership({ records: of, name: "checker", holder, leaseMs: LEASE_MS, log, clock: () => clock.now });
  return { clock, records, node };
}

test("one of two nodes leads, for as long as it renews", async () => {
  const { clock, node } = nodes();
  const [a, b] = [node("a"), node("b")];
  for (let turn = 0; turn < 20; turn++) {
    expect(await a.runOnce(signal)).toBe(true);
    expect(await b.runOnce(signal)).toBe(false);
    expect([a.isLeader, b.isLeader]).toEqual([true, false]);
    clock.now += LEASE_MS / 6;
  }
});

test("when the leader is gone the other one leads within the lease, and never while the first believes that it does", async () => {
  for (const dyingAt of [0, 1, 149, 150, 300]) {
    const { clock, node } = nodes();
    const [a, b] = [node("a"), node("b")];
    await a.runOnce(signal);
    clock.now += dyingAt;
    const diedAt = clock.now;
    while (!(await b.runOnce(signal))) {
      expect(clock.now - diedAt).toBeLessThan(LEASE_MS);
      clock.now += LEASE_MS / 6;
    }
    expect(a.isLeader).toBe(false);
  }
});

test("a leader that cannot renew steps down before its lease can be another's", async () => {
  const { clock, records, node } = nodes();
  let away = false;
  const a = node("a", {
    releaseLease: () => records.releaseLease("checker", "a"),
    acquireLease: async (name, holder, ttlMs) => {
      if (away) throw new StoreUnavailableError("postgres", "away");
      return await records.acquireLease(name, holder, ttlMs);
    },
  });
  await a.runOnce(signal);
  away = true;
  await expect(a.runOnce(signal)).rejects.toThrow("away");
  expect(a.isLeader).toBe(true);
  clock.now += (LEASE_MS * 2) / 3;
  expect(a.isLeader).toBe(false);
});

test("stopping gives the role back at once", async () => {
  const { node } = nodes();
  const [a, b] = [node("a"), node("b")];
  await a.runOnce(signal);
  await a.stop();
  expect(a.isLeader).toBe(false);
  expect(await b.runOnce(signal)).toBe(true);
});
