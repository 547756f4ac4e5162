import { expect, test } from "vitest";
import type { CheckOptions } from "../../../src/consistency/check/check-options.ts";
import type { Finding } from "../../../src/consistency/check/report.ts";
import { ConsistencyWatch, type WatchParts } from "../../../src/consistency/loop/watch.ts";
import type { RepairDetail } from "../../../src/consistency/repair/repair-options.ts";
import { silentLog } from "../../../src/runtime/log.ts";

/**
 * Goal: reads may use a doubted store again only where its comparison left nothing open. Method: one pass of the loop, whose
 * check and repair answer as each case says.
 */

const FINDING: Finding = {
  namespace: "default",
  memoryId: "m",
  store: "redis",
  kind: "stale",
  expectedVersion: 2,
  foundVersion: 1,
  evidence: "holds version 1",
};

/** @returns how often the store was confirmed after one pass. */
async function confirmations(of: {
  outcome: RepairDetail["outcome"];
  waiting?: boolean;
  unproven?: boolean;
}): Promise<number> {
  let confirmed = 0;
  const parts = {
    checker: {
      run: async ({ scope, onUnproven }: CheckOptions) => {
        if (scope === "full" && of.unproven) onUnproven?.("redis", [{ namespace: "default", memoryId: "other" }]);
        return { findings: scope === "full" ? [FINDING] : [], checked: 1 };
      },
      sweep: async () => ({ checked: 0, findings: [], roundEnded: false }),
    },
    repairer: {
      run: async () => ({ details: [{ ...FINDING, outcome: of.outcome, note: "as the test says", strategy: null }] }),
    },
    records: { listConflicts: async () => (of.waiting ? [{}] : []) },
    projections: [{ id: "redis", traits: { scope: "shared" }, standing: async () => ({}) }],
    standings: {
      refresh: async () => undefined,
      standingOf: async () => ({ brand: null, life: "one" }),
      confirm: async () => {
        confirmed++;
        return true;
      },
      verdictOf: () => ({ state: "doubted", doubt: "earlier_epoch" }),
      isConfirmed: () => false,
      foreign: [],
    },
    isLeader: () => true,
    log: silentLog,
    intervalMs: 1_000,
    sweepMs: 1_000_000,
    repairKinds: ["stale"],
    strategy: "latest_wins",
    repairsMax: 100,
  } as unknown as WatchParts;
  await new ConsistencyWatch(parts).runOnce(new AbortController().signal);
  return confirmed;
}

test.each([
  ["repaired", { outcome: "repaired" }, 1],
  ["failed", { outcome: "failed" }, 0],
  ["deferred, so that the store is as it was", { outcome: "deferred" }, 0],
  ["deferred until a person decides", { outcome: "deferred", waiting: true }, 1],
  ["repaired, and a memory on its way is not proven", { outcome: "repaired", unproven: true }, 0],
] as const)("a compared store whose finding was %s", async (_, of, times) => {
  expect(await confirmations(of)).toBe(times);
});
