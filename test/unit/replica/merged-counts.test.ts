import { expect, test } from "vitest";
import { type CountPrimary, MergedCounts } from "../../../src/replica/merged/merged-counts.ts";
import { MergedReadMetrics } from "../../../src/replica/merged/metrics.ts";
import { ReplicaSide } from "../../../src/replica/merged/replica-side.ts";
import type { PrimaryRow, PrimarySince, ReplicaReads, ReplicaRow } from "../../../src/replica/merged/sides.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { MetricBase } from "../../../src/runtime/metric-base.ts";
import { NEVER } from "../../../src/runtime/shared-deadline.ts";

/**
 * Goal: a memory that expires while both sides are counted counts once, whichever side is asked first. Method: two sides that answer as
 * they are told, in every order of the primary's stretch, the look-up and the expiry.
 */

const STANDING = { epoch: "e1", cursor: { xid: "5", seq: "1" } };
const ALIVE: PrimaryRow = { version: 1, endedBy: null, isExpired: false };
const PAST: PrimaryRow = { version: 1, endedBy: null, isExpired: true };
const SWEPT: PrimaryRow = { version: 2, endedBy: "expired", isExpired: false };
const row = (memoryId: string): ReplicaRow => ({
  ...{ memoryId, version: 1, endedBy: null, isExpired: false, sort: null },
});

/** The primary's row of a memory: when its stretch is counted, and when it is looked up. */
interface Seen {
  readonly counted: PrimaryRow;
  readonly found: PrimaryRow;
}

function counts(memories: Readonly<Record<string, Seen>>, options: { archive?: boolean; ms?: () => number } = {}) {
  const ids = Object.keys(memories);
  const asked: PrimarySince[] = [];
  let tell: () => void = () => undefined;
  const lookedUp = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const side = new ReplicaSide({
    reads: {
      listRows: async () => ({ standing: STANDING, rows: ids.map(row), scanned: ids.length, last: null }),
    } as unknown as ReplicaReads,
    primary: {
      lookUp: async (_namespace, memoryIds, since) => {
        const rows = new Map(memoryIds.map((id) => [id, memories[id]?.found as PrimaryRow]));
        const unsettled = memoryIds.filter((id) => since !== null && memories[id]?.counted !== memories[id]?.found);
        setImmediate(tell);
        return { epoch: "e1", tombstonesPruned: null, rows, refused: new Set(), unsettled: new Set(unsettled) };
      },
      asOf: async (_namespace, wanted) => {
        asked.push(...wanted);
        return new Map(wanted.map(({ memoryId }) => [memoryId, memories[memoryId]?.counted as PrimaryRow]));
      },
    },
    readTimeoutMs: 5_000,
    healthCheckIntervalMs: 30_000,
    archive: options.archive ?? true,
    readsWhenPrimaryDown: false,
    metrics: new MergedReadMetrics(new MetricBase()),
    log: silentLog,
    now: options.ms ?? (() => 0),
  });
  const aliveIn = (part: readonly string[]): number =>
    part.filter((id) => memories[id]?.counted.endedBy === null && !memories[id]?.counted.isExpired).length;
  /** Two stretches: up to `end`, and behind it once the rows were looked up. */
  const inTwo =
    (end: string): CountPrimary =>
    async (onStretch) => {
      onStretch({ end, snapshot: "first", moment: "1" });
      await lookedUp;
      onStretch({ end: null, snapshot: "second", moment: "2" });
      return aliveIn(ids);
    };
  const count = async (countPrimary: CountPrimary) =>
    (await new MergedCounts(side).count("default", { kind: "all", of: [] }, countPrimary, NEVER)).answer;
  return { count, inTwo, asked };
}

test.for([
  ["expires between its count and its look-up", ALIVE, PAST],
  ["expires and is swept between its count and its look-up", ALIVE, SWEPT],
  ["expires between its look-up and its count", PAST, ALIVE],
  ["expires and is swept between its look-up and its count", SWEPT, ALIVE],
  ["had expired before", PAST, PAST],
  ["had been swept before", SWEPT, SWEPT],
  ["is alive all the time", ALIVE, ALIVE],
] as const)("a memory that %s counts once", async ([, counted, found]) => {
  const { count, inTwo } = counts({ a: { counted, found }, z: { counted, found } });
  expect(await count(inTwo("m"))).toEqual({ count: 2, estimate: false });
});

test("each kept row is decided by the moment of the stretch that counted it", async () => {
  const changed = { counted: ALIVE, found: PAST };
  const { count, inTwo, asked } = counts({ a: changed, m: changed, n: changed, same: { counted: PAST, found: PAST } });
  expect(await count(inTwo("m"))).toEqual({ count: 4, estimate: false });
  expect(asked).toEqual([
    { memoryId: "a", snapshot: "first", moment: "1" },
    { memoryId: "m", snapshot: "first", moment: "1" },
    { memoryId: "n", snapshot: "second", moment: "2" },
  ]);
});

test("what was deleted meanwhile is not added, and nothing is without the archive", async () => {
  const deleted: PrimaryRow = { version: 2, endedBy: "deleted", isExpired: false };
  const gone = counts({ a: { counted: ALIVE, found: deleted }, b: { counted: deleted, found: PAST } });
  expect(await gone.count(gone.inTwo("m"))).toEqual({ count: 1, estimate: false });
  const plain = counts({ a: { counted: ALIVE, found: PAST }, b: { counted: PAST, found: PAST } }, { archive: false });
  expect(await plain.count(plain.inTwo("m"))).toEqual({ count: 1, estimate: false });
});

test("a count that takes longer than expiries are looked ahead for says that it is an estimate", async () => {
  let ms = 0;
  const { count, inTwo } = counts({ a: { counted: PAST, found: PAST } }, { ms: () => ms });
  const slow: CountPrimary = async (onStretch) => {
    const answer = await inTwo("m")(onStretch);
    ms += 30_000;
    return answer;
  };
  expect(await count(slow)).toEqual({ count: 1, estimate: true });
});

test("a primary whose count fails is told of, and leaves nothing waiting", async () => {
  const { count } = counts({ a: { counted: ALIVE, found: ALIVE } });
  await expect(count(async () => Promise.reject(new Error("the count failed")))).rejects.toThrow("the count failed");
});
