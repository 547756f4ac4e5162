import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../../src/domain/errors.ts";
import { MergedGets } from "../../../src/replica/merged/merged-gets.ts";
import { MergedSearches } from "../../../src/replica/merged/merged-searches.ts";
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
  const replica = {
    answers: "ok" as "ok" | "error" | "nonsense" | "never",
    epoch: "e1",
    asked: 0,
    probed: 0,
    looked: 0,
  };
  const answer = async <T>(value: T): Promise<T> => {
    if (replica.answers === "error") throw new StoreUnavailableError("replica", "connection refused");
    if (replica.answers === "nonsense") throw new SyntaxError("a document of the replica is damaged");
    if (replica.answers === "never") await new Promise(() => undefined);
    return value;
  };
  const standing = () => ({ epoch: replica.epoch, cursor: { xid: "5", seq: "1" }, prunedAtStart: null });
  const reads = {
    connect: () => {
      replica.probed += 1;
      return answer(undefined);
    },
    standing: () => {
      replica.looked += 1;
      return answer(standing());
    },
    readRows: () => {
      replica.asked += 1;
      return answer({ standing: standing(), rows: [] });
    },
  } as unknown as ReplicaReads;
  const primary = { answers: "ok" as "ok" | "away" | "never", asked: 0 };
  const facts: PrimaryFacts = {
    ...{ epoch: "e1", tombstonesPruned: null, rows: new Map() },
    ...{ refused: new Set(), unsettled: new Set() },
  };
  const base = new MetricBase();
  const clock = { now: 0 };
  const side = new ReplicaSide({
    reads,
    primary: {
      lookUp: async () => {
        primary.asked += 1;
        if (primary.answers === "away") throw new StoreUnavailableError("postgres", "away");
        if (primary.answers === "never") await new Promise(() => undefined);
        return facts;
      },
      asOf: async () => new Map(),
    },
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
    const key = { namespace: "default", memoryId: "m" };
    const merged = await gets.getOne(key, { withCreatedAt: false, primary: async () => null }, NEVER);
    return merged.sources.replica;
  };
  return { primary, replica, side, get, lines, clock, base };
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
  const key = { namespace: "default", memoryId: "m" };
  const gets = new MergedGets(side);
  const one = await gets.getOne(key, { withCreatedAt: false, primary: async () => memory }, NEVER);
  expect(one.answer).toEqual(memory);
  const many = await gets.getMany([key], { withCreatedAt: false, primary: async () => [memory] }, NEVER);
  expect(many.answer).toEqual([memory]);
  expect(replica.asked).toBe(0);
});

test("a read that needs nothing of the replica has it looked at, once a second, where it took no part when it was asked", async () => {
  const { replica, side, get, lines, clock } = open();
  const memory = { memoryId: "m" } as never;
  const key = { namespace: "default", memoryId: "m" };
  const hit = async (): Promise<string> => {
    const gets = new MergedGets(side);
    const merged = await gets.getOne(key, { withCreatedAt: false, primary: async () => memory }, NEVER);
    await side.idle();
    return merged.sources.replica;
  };
  expect(await hit()).toBe("ok");
  expect(replica.looked).toBe(0);
  replica.epoch = "e0";
  expect(await get()).toBe("behind");
  // Looked at beside the first read; the second comes too early for another look.
  expect([await hit(), await hit(), replica.looked]).toEqual(["behind", "behind", 1]);
  replica.epoch = "e1";
  clock.now += 1_000;
  expect([await hit(), await hit(), replica.looked]).toEqual(["behind", "ok", 2]);
  // A look that fails leaves what is said as it is.
  replica.answers = "error";
  expect(await get()).toBe("unavailable");
  clock.now += 1_000;
  expect([await hit(), await hit(), replica.looked]).toEqual(["unavailable", "unavailable", 3]);
  replica.answers = "ok";
  clock.now += 1_000;
  expect([await hit(), await hit(), replica.looked, replica.asked]).toEqual(["unavailable", "ok", 4, 2]);
  expect(lines.map((line) => line.split(" > ")[1])).toEqual(["behind", "ok", "unavailable", "ok"]);
});

test("an error that is not the replica's ends the replica's part of the read, and does not have it left out", async () => {
  const { replica, get } = open();
  replica.answers = "nonsense";
  for (let read = 0; read < 4; read++) expect(await get()).toBe("unavailable");
  expect(replica.asked).toBe(4);
  replica.answers = "ok";
  expect(await get()).toBe("ok");
});

test.for(["away", "never"] as const)(
  "a primary that is $0 when it is asked about the replica's memories leaves a read to what it has",
  async (answers) => {
    const { primary, replica, get } = open();
    primary.answers = answers; // The read itself was answered by the cache.
    for (let read = 1; read <= 4; read++) expect(await get()).toBe("unavailable");
    expect([replica.asked, primary.asked]).toEqual([4, 4]);
    primary.answers = "ok";
    expect(await get()).toBe("ok");
  },
);

test("an index over the replica that fails or hangs is left out of the search, and says nothing of the replica", async () => {
  const { replica, side, get } = open();
  const index = { answers: "error" as "ok" | "error" | "never" };
  const primary = { search: async () => [] } as never;
  const replicaIndex = {
    search: async () => {
      if (index.answers === "error") throw new StoreUnavailableError("faiss", "the host ended");
      if (index.answers === "never") await new Promise(() => undefined);
      return [];
    },
  };
  const searches = new MergedSearches(side, { vectors: primary, texts: primary, replicaIndex, language: "english" });
  const scope = {
    ...{ namespace: "default", k: 1, scoreMin: Number.NEGATIVE_INFINITY },
    condition: { kind: "all", of: [] } as const,
    filter: () => true,
  };
  const search = async (): Promise<string> => {
    const merged = await searches.search((both) => both.byVector(scope, new Float32Array(2), NEVER), NEVER);
    return merged.sources.replica;
  };
  for (const answers of ["error", "never"] as const) {
    index.answers = answers;
    for (let read = 0; read < 3; read++) expect(await search()).toBe("off");
  }
  expect(await get()).toBe("ok");
  // Nor does an index that answers make up for a replica that does not.
  index.answers = "ok";
  replica.answers = "error";
  for (let read = 0; read < 3; read++) expect(await search()).toBe("unavailable");
  const { asked } = replica;
  expect(await get()).toBe("unavailable");
  expect(replica.asked).toBe(asked);
});
