import { expect, test } from "vitest";
import { MergedGets } from "../../../src/replica/merged/merged-gets.ts";
import { MergedReadMetrics } from "../../../src/replica/merged/metrics.ts";
import { ReplicaSide, type ReplicaSideParts } from "../../../src/replica/merged/replica-side.ts";
import type { PrimaryFacts, ReplicaReads } from "../../../src/replica/merged/sides.ts";
import type { Log } from "../../../src/runtime/log.ts";
import { MetricBase } from "../../../src/runtime/metric-base.ts";
import { NEVER } from "../../../src/runtime/shared-deadline.ts";

/**
 * Goal: a replica that fails, hangs or lags costs a read no more than its time-out, and soon nothing; each change is said once.
 * Method: reads of a memory that the primary lacks, over a replica that does as it is told.
 */

function open(options: Partial<ReplicaSideParts> = {}) {
  const lines: string[] = [];
  const note = (fields: object, event: string) =>
    void lines.push(`${event} ${(fields as { from: string | null }).from} > ${(fields as { to: string }).to}`);
  const replica = { answers: "ok" as "ok" | "error" | "never", epoch: "e1", asked: 0, probed: 0 };
  const answer = async <T>(value: T): Promise<T> => {
    if (replica.answers === "error") throw new Error("connection refused");
    if (replica.answers === "never") await new Promise(() => undefined);
    return value;
  };
  const standing = () => ({ epoch: replica.epoch, cursor: { xid: "5", seq: "1" } });
  const reads = {
    connect: () => {
      replica.probed += 1;
      return answer(undefined);
    },
    standing: () => answer(standing()),
    readRows: () => {
      replica.asked += 1;
      return answer({ standing: standing(), rows: [] });
    },
  } as unknown as ReplicaReads;
  const facts: PrimaryFacts = { epoch: "e1", tombstonesPruned: null, rows: new Map(), refused: new Set() };
  const base = new MetricBase();
  const clock = { now: 0 };
  const side = new ReplicaSide({
    reads,
    primary: { lookUp: async () => facts },
    readTimeoutMs: 20,
    healthCheckIntervalMs: 30_000,
    archive: false,
    readsWhenPrimaryDown: false,
    metrics: new MergedReadMetrics(base),
    log: { debug: () => undefined, info: note, warn: note, error: note } as Log,
    now: () => clock.now,
    ...options,
  });
  const get = async () => {
    const gets = new MergedGets(side);
    const keys = [{ namespace: "default", memoryId: "m" }];
    const merged = await gets.get("get", keys, { withCreatedAt: false, primary: async () => [null] }, NEVER);
    return merged.sources.replica;
  };
  return { replica, side, get, lines, clock, base };
}

test("a replica that does not answer is waited for until its time-out, and after three such reads not at all", async () => {
  const { replica, get, lines, clock, side, base } = open();
  expect(await get()).toBe("ok");
  replica.answers = "never";
  expect([await get(), await get(), await get()]).toEqual(["unavailable", "unavailable", "unavailable"]);
  expect(replica.asked).toBe(4);
  expect(await get()).toBe("unavailable");
  expect(replica.asked).toBe(4); // Left out.
  expect(lines).toEqual(["replica.reads_changed ok > unavailable"]);
  expect(await base.text()).toContain('mnemosync_merged_read_timeouts_total{operation="get"} 3');
  expect(await base.text()).toContain(
    'mnemosync_merged_reads_total{operation="get",primary="ok",replica="unavailable"} 4',
  );

  // Reads have it probed, each interval, and do not wait for the answer.
  replica.answers = "ok";
  clock.now += 30_000;
  expect(await get()).toBe("unavailable");
  await side.idle();
  expect(replica.probed).toBe(1);
  expect(await get()).toBe("ok");
  expect(lines).toEqual(["replica.reads_changed ok > unavailable", "replica.reads_changed unavailable > ok"]);
});

test("a probe that fails leaves the replica out, until the next interval", async () => {
  const { replica, get, clock, side } = open();
  replica.answers = "error";
  for (let read = 0; read < 3; read++) await get();
  for (let interval = 1; interval <= 3; interval++) {
    clock.now += 30_000;
    await get();
    await side.idle();
    expect(replica.probed).toBe(interval);
  }
  expect(replica.asked).toBe(3);
});

test("a replica of another epoch is behind: said once, and it is asked again by each read", async () => {
  const { replica, get, lines } = open();
  replica.epoch = "e0";
  expect([await get(), await get()]).toEqual(["behind", "behind"]);
  replica.epoch = "e1";
  expect([await get(), await get()]).toEqual(["ok", "ok"]);
  expect(replica.asked).toBe(4);
  expect(lines).toEqual(["replica.reads_changed null > behind", "replica.reads_changed behind > ok"]);
});

test("a read that finds all in the primary asks nothing of the replica", async () => {
  const { replica, side } = open();
  const memory = { memoryId: "m" } as never;
  const keys = [{ namespace: "default", memoryId: "m" }];
  const gets = new MergedGets(side);
  const { answer } = await gets.get("get", keys, { withCreatedAt: false, primary: async () => [memory] }, NEVER);
  expect(answer).toEqual([memory]);
  expect(replica.asked).toBe(0);
});
