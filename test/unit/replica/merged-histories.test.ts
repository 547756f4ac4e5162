import { expect, test } from "vitest";
import { FEED_START } from "../../../src/domain/change-source.ts";
import type { Ending } from "../../../src/domain/ending.ts";
import type { MemoryVersion } from "../../../src/read/history.ts";
import { MergedHistories } from "../../../src/replica/merged/merged-histories.ts";
import { MergedReadMetrics } from "../../../src/replica/merged/metrics.ts";
import { ReplicaSide } from "../../../src/replica/merged/replica-side.ts";
import type { ReplicaReads } from "../../../src/replica/merged/sides.ts";
import type { Log } from "../../../src/runtime/log.ts";
import { MetricBase } from "../../../src/runtime/metric-base.ts";
import { NEVER } from "../../../src/runtime/shared-deadline.ts";

/**
 * Goal: a history reads versions of the replica only where they may be part of the answer.
 * Method: histories over a replica that notes what it is asked for.
 */

const READ_TIMEOUT_MS = 20;

function open(archive: boolean) {
  const asked: string[] = [];
  const clock = { now: 0 };
  const standing = { epoch: "e1", cursor: FEED_START };
  const reads = {
    standing: async () => {
      asked.push("standing");
      return standing;
    },
    readHistory: async () => {
      asked.push("history");
      return { standing, rows: [], versions: [] };
    },
  } as unknown as ReplicaReads;
  const side = new ReplicaSide({
    reads,
    primary: {
      lookUp: async () => ({ epoch: "e1", tombstonesPruned: null, rows: new Map(), refused: new Set<string>() }),
    },
    readTimeoutMs: READ_TIMEOUT_MS,
    healthCheckIntervalMs: 30_000,
    archive,
    readsWhenPrimaryDown: false,
    metrics: new MergedReadMetrics(new MetricBase()),
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined } as Log,
    now: () => clock.now,
  });
  const history = async (versions: MemoryVersion[], primaryMs = 0) => {
    const primary = async () => {
      asked.push("primary");
      clock.now += primaryMs;
      return versions;
    };
    const key = { namespace: "default", memoryId: "m" };
    const { answer, sources } = await new MergedHistories(side).list(key, 10, primary, NEVER);
    return { answer, replica: sources.replica, asked: asked.splice(0) };
  };
  return { history };
}

function version(number: number, endedBy?: Ending): MemoryVersion {
  return { version: number, ...(endedBy !== undefined && { endedBy }) } as MemoryVersion;
}

test.for([
  { archive: false, versions: [version(2), version(1)], asked: "standing" },
  { archive: true, versions: [version(3), version(2, "deleted")], asked: "standing" },
  { archive: true, versions: [version(3), version(2, "expired")], asked: "history" },
  { archive: true, versions: [version(2)], asked: "history" },
  { archive: true, versions: [], asked: "history" },
  { archive: false, versions: [], asked: "history" },
])("archive $archive, primary $versions: the replica is asked for its $asked", async ({ archive, versions, asked }) => {
  const { history } = open(archive);
  expect(await history(versions)).toEqual({ answer: versions, replica: "ok", asked: ["primary", asked] });
});

test("the time of the replica begins with the answer of the primary", async () => {
  const { history } = open(false);
  expect((await history([version(1)], 2 * READ_TIMEOUT_MS)).replica).toBe("ok");
});
