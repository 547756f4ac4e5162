import { describe, expect, test } from "vitest";
import { ClosedError, QueueFullError, StoreUnavailableError } from "../../../src/domain/errors.ts";
import { Batcher, type BatcherOptions } from "../../../src/write/batcher.ts";
import type { SyncOutcome } from "../../../src/write/outcome.ts";
import { Outcomes } from "../../../src/write/outcomes.ts";
import type { WriteIntent } from "../../../src/write/plan.ts";
import type { Writer } from "../../../src/write/writer.ts";
import { STORES } from "../../support/store-traits.ts";

interface Chunk {
  readonly intents: readonly WriteIntent[];
  finish(): void;
}

/** Takes chunks and answers when told to. */
class FakeWriter {
  readonly chunks: Chunk[] = [];
  /** Chunks that began and did not end. */
  running = 0;
  runningMost = 0;
  automatic = false;
  failure: Error | null = null;

  async write(intents: readonly WriteIntent[]): Promise<SyncOutcome[]> {
    this.running++;
    this.runningMost = Math.max(this.runningMost, this.running);
    await new Promise<void>((resolve) => {
      this.chunks.push({ intents, finish: resolve });
      if (this.automatic) setImmediate(resolve);
    });
    this.running--;
    if (this.failure !== null) throw this.failure;
    return intents.map(({ key, modifiedAt }) => ({ ...synced(key.memoryId), version: modifiedAt ?? 0 }));
  }

  /** What each chunk was given, as `id:turn`. */
  get written(): string[][] {
    return this.chunks.map(({ intents }) => intents.map(({ key, modifiedAt }) => `${key.memoryId}:${modifiedAt}`));
  }
}

const outcomes = new Outcomes(STORES);

function synced(memoryId: string): SyncOutcome {
  const key = { namespace: "default", memoryId };
  return { ...outcomes.failed(key, new StoreUnavailableError("redis", "x")), status: "synced" };
}

const intent = (memoryId: string, turn = 0): WriteIntent => ({
  key: { namespace: "default", memoryId },
  memory: null,
  expectedVersion: null,
  modifiedAt: turn, // Told apart by it.
});
const turns = async (count = 5): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};
function open(options: BatcherOptions): { writer: FakeWriter; batcher: Batcher } {
  const writer = new FakeWriter();
  return { writer, batcher: new Batcher(writer as unknown as Writer, outcomes, options) };
}
const settled = async (promise: Promise<unknown>): Promise<boolean> =>
  await Promise.race([promise.then(() => true), turns().then(() => false)]);

describe("the batcher", () => {
  test("writes what came together in one chunk, in order of arrival", async () => {
    const { writer, batcher } = open({ batchSize: 10 });
    const writes = ["c", "a", "b"].map((id) => batcher.write(intent(id), true));
    await turns();
    expect(writer.written).toEqual([["c:0", "a:0", "b:0"]]);
    writer.chunks[0]?.finish();
    expect((await Promise.all(writes)).map(({ memoryId }) => memoryId)).toEqual(["c", "a", "b"]);
    expect(batcher.waiting).toBe(0);
  });

  test("cuts chunks at the batch size and runs no more of them at a time than it may", async () => {
    const { writer, batcher } = open({ batchSize: 10, concurrency: 2 });
    const writes = Array.from({ length: 45 }, (_, number) => batcher.write(intent(`m${number}`), true));
    await turns();
    expect(writer.written.map(({ length }) => length)).toEqual([10, 10]);
    writer.chunks[1]?.finish();
    await turns();
    expect(writer.written.map(({ length }) => length)).toEqual([10, 10, 10]);
    writer.automatic = true;
    for (const { finish } of writer.chunks) finish();
    await Promise.all(writes);
    expect(writer.written.map(({ length }) => length)).toEqual([10, 10, 10, 10, 5]);
    expect(writer.runningMost).toBe(2);
    expect(new Set(writer.written.flat()).size).toBe(45);
  });

  test("divides what fills less than a chunk, so that the parts are under way at the same time", async () => {
    const { writer, batcher } = open({ batchSize: 500, concurrency: 4 });
    const writes = Array.from({ length: 256 }, (_, number) => batcher.write(intent(`m${number}`), true));
    await turns();
    expect(writer.chunks.map(({ intents }) => intents.length)).toEqual([86, 86, 84]);
    for (const { finish } of writer.chunks) finish();
    await Promise.all(writes);

    // Only the places that are free count, and a full chunk stays whole.
    writer.chunks.length = 0;
    const more = Array.from({ length: 159 + 500 }, (_, number) => intent(`n${number}`));
    writes.push(...more.slice(0, 159).map((item) => batcher.write(item, true)));
    await turns();
    writes.push(...more.slice(159).map((item) => batcher.write(item, true)));
    await turns();
    expect(writer.chunks.map(({ intents }) => intents.length)).toEqual([159, 500]);
    for (const { finish } of writer.chunks) finish();
    await Promise.all(writes);
  });

  test("keeps the order of one memory's writes, one to a chunk and never two at a time", async () => {
    const { writer, batcher } = open({ batchSize: 10, concurrency: 4 });
    writer.automatic = true;
    const writes = Array.from({ length: 20 }, (_, turn) => batcher.write(intent("a", turn + 1), true));
    const others = Array.from({ length: 5 }, (_, number) => batcher.write(intent(`b${number}`), true));
    expect((await Promise.all(writes)).map(({ version }) => version)).toEqual(
      Array.from({ length: 20 }, (_, turn) => turn + 1),
    );
    await Promise.all(others);
    const ofA = writer.written.flatMap((chunk) => chunk.filter((entry) => entry.startsWith("a:")));
    expect(ofA).toEqual(Array.from({ length: 20 }, (_, turn) => `a:${turn + 1}`));
    for (const chunk of writer.written) expect(chunk.filter((entry) => entry.startsWith("a:"))).toHaveLength(1);
    // The others did not have to wait behind the one that is written all the time.
    expect(writer.written[0]).toHaveLength(6);
  });

  test("lets callers wait for a place beyond its maximum, and serves them in order", async () => {
    const { writer, batcher } = open({ batchSize: 1, concurrency: 1, waitingMax: 2 });
    const writes = Array.from({ length: 6 }, (_, number) => batcher.write(intent(`m${number}`), true));
    await turns();
    expect(batcher.waiting).toBeLessThanOrEqual(2);
    writer.automatic = true;
    writer.chunks[0]?.finish();
    await Promise.all(writes);
    expect(writer.written.flat()).toEqual(["m0:0", "m1:0", "m2:0", "m3:0", "m4:0", "m5:0"]);
  });

  test("tells who would not wait that it is full, and counts right afterwards", async () => {
    const { writer, batcher } = open({ batchSize: 1, concurrency: 1, waitingMax: 2 });
    const writes = [batcher.write(intent("a"), false), batcher.write(intent("b"), false)];
    await expect(batcher.write(intent("c"), false)).rejects.toBeInstanceOf(QueueFullError);
    await turns();
    expect(batcher.waiting).toBe(1); // One of them is on its way.
    writes.push(batcher.write(intent("d"), false));
    await expect(batcher.write(intent("e"), false)).rejects.toThrow(/2 memories wait already and the limit is 2/);
    writer.automatic = true;
    writer.chunks[0]?.finish();
    expect(await Promise.all(writes)).toHaveLength(3);
    expect(batcher.waiting).toBe(0);
  });

  test("drops a write whose caller gave up before its chunk began, and only that", async () => {
    const { writer, batcher } = open({ batchSize: 1, concurrency: 1 });
    const abort = new AbortController();
    const first = batcher.write(intent("a"), true);
    const second = batcher.write(intent("b"), true, abort.signal);
    const third = batcher.write(intent("b", 1), true);
    await turns();
    abort.abort();
    writer.automatic = true;
    writer.chunks[0]?.finish();
    expect(await first).toMatchObject({ status: "synced" });
    expect(await second).toMatchObject({ status: "failed", error: { code: "ABORTED" } });
    expect(await third).toMatchObject({ status: "synced", version: 1 });
    expect(writer.written).toEqual([["a:0"], ["b:1"]]);
    expect(batcher.waiting).toBe(0);
  });

  test("does not take a write that was given up before, nor keeps a place for one that waited", async () => {
    const { writer, batcher } = open({ batchSize: 1, concurrency: 1, waitingMax: 1 });
    await expect(batcher.write(intent("a"), true, AbortSignal.abort())).rejects.toMatchObject({ code: "ABORTED" });
    const abort = new AbortController();
    const first = batcher.write(intent("a"), true);
    const waiting = batcher.write(intent("b"), true, abort.signal);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    await turns();
    writer.automatic = true;
    writer.chunks[0]?.finish();
    await first;
    expect(await batcher.write(intent("c"), true)).toMatchObject({ status: "synced" });
    expect(writer.written).toEqual([["a:0"], ["c:0"]]);
  });

  test("sees a write to its end that is given up once its chunk has begun", async () => {
    const { writer, batcher } = open({ batchSize: 10 });
    const abort = new AbortController();
    const writing = batcher.write(intent("a"), true, abort.signal);
    await turns();
    abort.abort();
    expect(await settled(writing)).toBe(false);
    writer.chunks[0]?.finish();
    expect(await writing).toMatchObject({ status: "synced" });
  });

  test("closes once everything taken is settled, and takes nothing any more", async () => {
    const { writer, batcher } = open({ batchSize: 2, concurrency: 1, waitingMax: 5 });
    const writes = Array.from({ length: 5 }, (_, number) => batcher.write(intent(`m${number}`), true));
    const late = batcher.write(intent("late"), true); // Waits for a place.
    late.catch(() => undefined);
    const closing = batcher.close();
    await expect(batcher.write(intent("x"), true)).rejects.toBeInstanceOf(ClosedError);
    await expect(late).rejects.toBeInstanceOf(ClosedError);
    expect(await settled(closing)).toBe(false);
    writer.automatic = true;
    writer.chunks[0]?.finish();
    await closing;
    expect((await Promise.all(writes)).map(({ status }) => status)).toEqual(Array(5).fill("synced"));
    await batcher.close(); // Twice is once.
  });

  test("leaves nobody waiting when the writer breaks its promise never to reject", async () => {
    const { writer, batcher } = open({ batchSize: 10 });
    writer.automatic = true;
    writer.failure = new Error("a defect");
    const outcomes = await Promise.all([batcher.write(intent("a"), true), batcher.write(intent("b"), true)]);
    expect(outcomes.map(({ status, error }) => [status, error?.code])).toEqual([
      ["failed", "INTERNAL"],
      ["failed", "INTERNAL"],
    ]);
    writer.failure = null;
    expect(await batcher.write(intent("a"), true)).toMatchObject({ status: "synced" });
  });
});
