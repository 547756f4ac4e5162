import { expect, test } from "vitest";
import { FEED_START } from "../../../src/domain/change-source.ts";
import type { Ending } from "../../../src/domain/ending.ts";
import type { HistoricVersion } from "../../../src/ledger/history-statements.ts";
import type { OnBytes } from "../../../src/read/bounded-reads.ts";
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

const READ_TIMEOUT_MS = 5_000;

function open(archive: boolean, held: readonly HistoricVersion[] = []) {
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
      const rows = held.slice(0, 1).map((row) => ({ ...row, isExpired: false, sort: null }));
      return { standing, rows, endedThrough: 0 };
    },
    readVersions: async ({ before, limit }: { before: number; limit: number }) => {
      asked.push(`${limit} before ${before}`);
      return held.filter((one) => one.version < before).slice(0, limit);
    },
  } as unknown as ReplicaReads;
  const side = new ReplicaSide({
    reads,
    primary: {
      lookUp: async () => ({
        ...{ epoch: "e1", tombstonesPruned: null, rows: new Map() },
        ...{ refused: new Set<string>(), unsettled: new Set<string>() },
      }),
      asOf: async () => new Map(),
    },
    readTimeoutMs: READ_TIMEOUT_MS,
    healthCheckIntervalMs: 30_000,
    archive,
    readsWhenPrimaryDown: false,
    metrics: new MergedReadMetrics(new MetricBase()),
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined } as Log,
    now: () => clock.now,
  });
  const history = async (
    versions: MemoryVersion[],
    { primaryMs = 0, limit = 10, onBytes }: { primaryMs?: number; limit?: number; onBytes?: OnBytes } = {},
  ) => {
    const primary = async () => {
      asked.push("primary");
      clock.now += primaryMs;
      return versions;
    };
    const key = { namespace: "default", memoryId: "m" };
    const { answer, sources } = await new MergedHistories(side).list(key, { limit, onBytes, primary }, NEVER);
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
  expect((await history([version(1)], { primaryMs: 2 * READ_TIMEOUT_MS })).replica).toBe("ok");
});

test("a history of the replica is read part by part, by the bytes of its versions, and its bytes are told", async () => {
  const content = "x".repeat(1024 * 1024);
  const held = Array.from({ length: 40 }, (_, at): HistoricVersion => {
    const document = { content, memoryType: "note", importance: 0.5, metadata: {}, privacy: "full" };
    return {
      ...{ namespace: "default", memoryId: "m", version: 40 - at, checksum: "", versionVector: {}, modifiedAt: 0 },
      ...{ documentJson: JSON.stringify(document), embedding: null, endedBy: null, transactionId: "" },
    };
  });
  const { history } = open(false, held);
  let told = 0;
  const onBytes = (bytes: number): void => {
    told += bytes;
  };
  const { answer, asked } = await history([], { limit: 22, onBytes });
  expect(answer.map(({ version }) => version)).toEqual(held.slice(0, 22).map((one) => one.version));
  expect(asked).toEqual(["primary", "history", "16 before 41", "3 before 25", "3 before 22"]);
  expect(told).toBeGreaterThan(22 * content.length);

  const failed = history([], {
    limit: 22,
    onBytes: () => {
      throw new RangeError("too many bytes");
    },
  });
  await expect(failed).rejects.toThrow("too many bytes");
});
