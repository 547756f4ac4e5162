import { describe, expect, test } from "vitest";
import {
  type BatchProgress,
  type MemoryInput,
  MemorySynchronizer,
  MnemosyncError,
  QueueFullError,
  ValidationError,
} from "../../src/index.ts";
import { openWorld, sharedWorld } from "../support/world.ts";

const shared = sharedWorld();

describe("a batch", () => {
  test("arrives in all three stores, in transactions of the batch size", async (t) => {
    const world = await openWorld(t, { settings: { batchSize: 50 } });
    const outcomes = await world.fill(230);
    expect(outcomes.map(({ memoryId, version }) => [memoryId, version])).toEqual(
      Array.from({ length: 230 }, (_, number) => [`m${number}`, 1]),
    );
    const sizes = async () => {
      const rows = await world.sql`
        select cardinality(memory_ids) as size from mnemosync.sync_transactions where state = 'published'`;
      return rows.map(({ size }) => size).sort((a, b) => a - b);
    };
    await expect.poll(sizes).toEqual([30, 50, 50, 50, 50]); // Transactions are marked some milliseconds after the answer.
    expect(new Set(outcomes.map(({ transactionId }) => transactionId)).size).toBe(5);
    const { stores } = await world.sync.status();
    expect(stores).toEqual({
      postgres: { state: "healthy", memories: 230 },
      redis: { state: "healthy", memories: 230 },
      faiss: { state: "healthy", memories: 230 },
    });
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true, checked: 230 });
  });

  test("that is written a second time writes nothing", async (t) => {
    const world = await openWorld(t);
    const first = await world.fill(120);
    const before = await world.footprint();
    const [place] =
      await world.sql`select array_agg(ctid::text || tx_id order by memory_id) as rows from mnemosync.memory_versions`;
    const second = await world.sync.syncBatch(world.memories(120));
    expect(second.map(({ status }) => status)).toEqual(first.map(() => "unchanged"));
    expect(second.map(({ checksum, version }) => [checksum, version])).toEqual(
      first.map(({ checksum, version }) => [checksum, version]),
    );
    expect(await world.footprint()).toEqual(before);
    const [placeAfter] =
      await world.sql`select array_agg(ctid::text || tx_id order by memory_id) as rows from mnemosync.memory_versions`;
    expect(placeAfter).toEqual(place);
  });

  test("goes through around its bad memories, whose outcomes name the field", async () => {
    const world = shared.current;
    const inputs = world.memories(250, 10_000) as (MemoryInput & Record<string, unknown>)[];
    inputs[0] = { ...inputs[0]!, content: "a\u0000b" };
    inputs[99] = { ...inputs[99]!, importance: 1.5 };
    inputs[125] = { ...inputs[125]!, embedding: [1, 2, 3] };
    inputs[126] = { ...inputs[126]!, colour: "red" };
    inputs[200] = null as unknown as MemoryInput & Record<string, unknown>;
    inputs[249] = { ...inputs[249]!, memoryId: "" };
    const bad = new Map([
      [0, "content"],
      [99, "importance"],
      [125, "embedding"],
      [126, "colour"],
      [200, ""],
      [249, "memoryId"],
    ]);
    const outcomes = await world.sync.syncBatch(inputs);
    expect(outcomes).toHaveLength(250);
    outcomes.forEach((outcome, position) => {
      const path = bad.get(position);
      if (path === undefined) {
        expect(outcome).toMatchObject({ memoryId: `m${10_000 + position}`, status: "synced", version: 1 });
        return;
      }
      expect(outcome).toMatchObject({ status: "failed", version: 0, checksum: null, transactionId: null });
      expect(outcome.stores).toEqual({ postgres: "failed", redis: "failed", faiss: "failed" });
      expect(outcome.error).toBeInstanceOf(ValidationError);
      expect((outcome.error as ValidationError).path).toBe(path);
    });
    const found =
      await world.sql`select count(*)::int as count from mnemosync.memories where memory_id ~ '^m10[0-9]{3}$'`;
    expect(found[0]?.count).toBe(244);
  });

  test("writes the same memory as often as it names it, in that order", async () => {
    const world = shared.current;
    const versions = ["one", "two", "three", "three", "two"];
    const inputs = versions.flatMap((content, turn) => [
      world.memory(20_000, { content }),
      world.memory(20_001 + turn),
    ]);
    const outcomes = await world.sync.syncBatch(inputs);
    expect(
      outcomes.filter((_, position) => position % 2 === 0).map(({ version, status }) => [version, status]),
    ).toEqual([
      [1, "synced"],
      [2, "synced"],
      [3, "synced"],
      [3, "unchanged"],
      [4, "synced"],
    ]);
    expect(await world.sync.get("m20000")).toMatchObject({ version: 4, content: "two" });
  });

  test("takes an async iterable, and reports progress that ends with everything", async () => {
    const world = shared.current;
    let given = 0;
    async function* inputs(): AsyncGenerator<MemoryInput> {
      for (const input of world.memories(430, 30_000)) {
        given++;
        yield given === 17 ? { ...input, memoryType: "" } : input;
      }
    }
    const reports: BatchProgress[] = [];
    const outcomes = await world.sync.syncBatch(inputs(), { onProgress: (progress) => reports.push(progress) });
    expect(outcomes).toHaveLength(430);
    const done = reports.map((report) => report.done);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(reports.length).toBe(5);
    for (const { done, read, counts } of reports) {
      expect(done).toBeLessThanOrEqual(read);
      expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(done);
    }
    expect(reports.at(-1)).toEqual({
      done: 430,
      read: 430,
      counts: { synced: 429, degraded: 0, unchanged: 0, conflict: 0, failed: 1 },
    });
  });

  test("reads no further ahead of a slow store than it can write", async (t) => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const onStep = (step: string) => (step === "locked" ? released : undefined);
    const settings = { batchSize: 10, writeConcurrency: 1, onStep };
    const world = await openWorld(t, { faiss: false, settings });
    let given = 0;
    function* inputs(): Generator<MemoryInput> {
      for (const input of world.memories(300)) {
        given++;
        yield input;
      }
    }
    const writing = world.sync.syncBatch(inputs());
    // Turns enough to read all of it, were it not for the bound.
    for (let turn = 0; turn < 5_000; turn++) await new Promise(setImmediate);
    expect(given).toBeLessThanOrEqual(30);
    release();
    expect((await writing).every(({ status }) => status === "synced")).toBe(true);
    expect(given).toBe(300);
  });

  test("that is aborted tells what was written from what was not", async (t) => {
    const abort = new AbortController();
    const settings = { batchSize: 10, writeConcurrency: 1 };
    const world = await openWorld(t, { faiss: false, settings });
    const outcomes = await world.sync.syncBatch(world.memories(200), {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    expect(outcomes).toHaveLength(200);
    const synced = outcomes.filter(({ status }) => status === "synced").map(({ memoryId }) => memoryId);
    const failed = outcomes.filter(({ status }) => status === "failed");
    expect(synced.length + failed.length).toBe(200);
    expect(synced.length).toBeGreaterThanOrEqual(10);
    expect(failed.length).toBeGreaterThan(0);
    expect(new Set(failed.map(({ error }) => error?.code))).toEqual(new Set(["ABORTED"]));
    const rows = await world.sql`select memory_id from mnemosync.memories`;
    expect(new Set(rows.map(({ memory_id }) => memory_id))).toEqual(new Set(synced));
  });

  test("whose input itself fails rejects with that failure", async () => {
    const world = shared.current;
    function* inputs(): Generator<MemoryInput> {
      yield world.memory(40_000);
      throw new Error("the file is torn");
    }
    await expect(world.sync.syncBatch(inputs())).rejects.toThrow("the file is torn");
  });
});

describe("many callers at once", () => {
  test("share a few transactions", async (t) => {
    const world = await openWorld(t);
    const outcomes = await Promise.all(world.memories(256).map((input) => world.put(input)));
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["synced"]));
    const [row] = await world.sql`select count(*)::int as count from mnemosync.sync_transactions`;
    expect(row?.count).toBeLessThanOrEqual(6);
  });

  test("who write one memory get versions 1 to 200, one each, and every store holds the last", async () => {
    const world = shared.current;
    const writes = Array.from({ length: 200 }, (_, turn) =>
      world.put(world.memory(50_000, { content: `turn ${turn}` })),
    );
    const outcomes = await Promise.all(writes);
    expect(outcomes.map(({ version }) => version)).toEqual(Array.from({ length: 200 }, (_, turn) => turn + 1));
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["synced"]));
    expect(await world.sync.get("m50000")).toMatchObject({ version: 200, content: "turn 199", source: "redis" });
    expect((await world.sync.history("m50000")).map(({ version }) => version).at(-1)).toBe(190);
    const kept = () => world.sql`
      select count(*)::int as count, min(version)::int as oldest from mnemosync.memory_history where memory_id = 'm50000'`;
    world.sync.start(); // History is pruned in the background.
    await expect.poll(kept, { timeout: 60_000 }).toMatchObject([{ count: 10, oldest: 190 }]);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test("in four processes at once never lose a version of a memory, and none of them is turned away", async (t) => {
    const world = await openWorld(t, { faiss: false, settings: { retryDelayMs: 5 } });
    const names = ["second", "third", "fourth"];
    const others = await Promise.all(
      names.map((nodeId) => MemorySynchronizer.connect({ ...world.connectOptions, nodeId })),
    );
    t.onTestFinished(async () => void (await Promise.all(others.map((other) => other.close()))));
    const outcomes = await Promise.all(
      [world.sync, ...others].flatMap((sync, node) =>
        Array.from({ length: 40 }, (_, turn) => {
          const { memoryId, ...fields } = world.memory(turn % 4, { content: `${node}/${turn}` });
          return sync.syncMemory(memoryId, fields);
        }),
      ),
    );
    for (const memoryId of ["m0", "m1", "m2", "m3"]) {
      const group = outcomes.filter((outcome) => outcome.memoryId === memoryId);
      expect(group.map(({ version }) => version).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 40 }, (_, turn) => turn + 1),
      );
    }
    const vector = { [world.sync.nodeId]: 10, second: 10, third: 10, fourth: 10 };
    expect((await world.sync.get("m0"))?.versionVector).toEqual(vector);
    expect(await world.sync.checkConsistency({ scope: "deep" })).toMatchObject({ clean: true });
  });

  test("who would not wait are told that the queue is full", async (t) => {
    const settings = { writeWaitingMax: 5, writeConcurrency: 1, batchSize: 1 };
    const world = await openWorld(t, { faiss: false, settings });
    const outcomes = await Promise.allSettled(world.memories(20).map((input) => world.put(input, { wait: false })));
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(refused).toHaveLength(15);
    for (const { reason } of refused) expect(reason).toBeInstanceOf(QueueFullError);
    const waited = await Promise.all(world.memories(20).map((input) => world.put(input)));
    expect(waited.map(({ status }) => status).toSorted()).toEqual([
      ...Array<string>(15).fill("synced"),
      ...Array<string>(5).fill("unchanged"),
    ]);
  });
});

test("closing settles what was taken and refuses the rest", async (t) => {
  const world = await openWorld(t, { faiss: false });
  const writing = world.memories(50).map((input) => world.put(input));
  const { sync } = world;
  await new Promise(setImmediate);
  await world.disconnect();
  const outcomes = await Promise.all(writing);
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["synced"]));
  const [row] = await world.sql`select count(*)::int as count from mnemosync.memories`;
  expect(row?.count).toBe(50);
  for (const call of [sync.get("m1"), sync.syncBatch([]), sync.status(), sync.checkConsistency(), sync.delete("m1")]) {
    await expect(call).rejects.toSatisfy((error) => error instanceof MnemosyncError && error.code === "CLOSED");
  }
});
