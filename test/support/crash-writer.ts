import { writeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { ConnectOptions, SyncOutcome } from "../../src/index.ts";
import { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import { RedisProjection } from "../../src/stores/redis/redis-projection.ts";
import { connectWithHooks } from "../../src/synchronizer/with-hooks.ts";
import { WRITE_STEPS } from "../../src/write/write-step.ts";
import type { Acknowledged, CrashOrder } from "./crash-run.ts";
import { randomNumbers, sampleMemory } from "./memories.ts";

/**
 * The writer that dies. Run as a child process with a `CrashOrder` as JSON in its argument: writes a load that its seed
 * decides, tells of every acknowledged outcome before it goes on, and ends itself with SIGKILL at the n-th pass of the
 * crash point. Nothing of it is closed, flushed or caught: that is the point.
 */
const order = JSON.parse(process.argv[2] ?? "{}") as CrashOrder;
const random = randomNumbers(order.seed);
let passes = 0;

function pass(point: string): void {
  if (point !== order.point || ++passes < order.pass) return;
  process.kill(process.pid, "SIGKILL");
}

/** -9 while the store works on the call: sent, and not answered yet. */
function dieWithin(prototype: RedisProjection | FaissProjection, call: "prepare" | "publish"): void {
  const original = prototype[call] as (...args: unknown[]) => Promise<unknown>;
  (prototype as unknown as Record<string, unknown>)[call] = async function (this: unknown, ...args: unknown[]) {
    const answer = original.apply(this, args);
    if (order.point === `during ${call}`) {
      await delay(random() * 2);
      pass(`during ${call}`);
    }
    return await answer;
  };
}
for (const prototype of [RedisProjection.prototype, FaissProjection.prototype]) {
  dieWithin(prototype, "prepare");
  dieWithin(prototype, "publish");
}

/** Memories of a transaction that no store is asked about before, at most. */
const UNPREPARED_MAX = 128;
const { unprepared } = order;
const options: ConnectOptions = { ...order.options, batchSize: unprepared ? UNPREPARED_MAX : 20 };
const sync = await connectWithHooks({
  ...options,
  unprepared,
  onStep: (step) => pass(WRITE_STEPS.includes(step) ? step : ""),
});

function acknowledge(outcome: SyncOutcome, content: string | null): void {
  const { memoryId, version, status, checksum, transactionId, error } = outcome;
  const line: Acknowledged = {
    memoryId,
    version,
    status,
    checksum,
    transactionId,
    content,
    error: error?.message ?? null,
  };
  tell(Buffer.from(`${JSON.stringify(line)}\n`));
}

/** Not through a stream: what is told is out before anything else happens. A reader that is slow is waited for. */
function tell(bytes: Buffer): void {
  for (let told = 0; told < bytes.length; ) {
    try {
      told += writeSync(1, bytes, told);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

const memory = (turn: string, number = Math.floor(random() * order.memories)) => {
  const content = `${order.seed}/${order.point}/${order.pass}/${turn}`;
  const input = sampleMemory(number, 8, { content });
  if (random() < 0.3) delete input.embedding;
  return input;
};

/** Memories of a batch; many are of numbers in a row, some of which were written before. */
function batch(turn: string, sizeOfPrepared: number) {
  const size = unprepared ? (random() < 0.5 ? UNPREPARED_MAX : 2) : sizeOfPrepared;
  const start = size === UNPREPARED_MAX ? 1_000 + Math.floor(random() * 4 * UNPREPARED_MAX) : null;
  return Array.from({ length: size }, (_, index) =>
    memory(`${turn}.${index}`, start === null ? undefined : start + index),
  );
}

async function write(turn: string): Promise<void> {
  const kind = random();
  if (kind < 0.2) {
    const memoryId = `m${Math.floor(random() * order.memories)}`;
    acknowledge(await sync.delete(memoryId), null);
  } else if (kind < 0.4) {
    const inputs = batch(turn, 30);
    const outcomes = await sync.syncBatch(inputs);
    for (const [index, outcome] of outcomes.entries()) acknowledge(outcome, inputs[index]?.content ?? null);
  } else if (kind < 0.5) {
    const inputs = new Map(batch(turn, 5).map((m) => [m.memoryId, m]));
    const outcomes = await sync.syncBatch(inputs.values(), { atomic: true });
    for (const outcome of outcomes) acknowledge(outcome, inputs.get(outcome.memoryId)?.content ?? null);
  } else {
    const { memoryId, ...fields } = memory(turn);
    acknowledge(await sync.syncMemory(memoryId, fields), fields.content);
  }
}

/** Several callers, each of whom goes on once its write is acknowledged. */
await Promise.all(
  Array.from({ length: 6 }, async (_, caller) => {
    for (let turn = 0; turn < 200; turn++) await write(`${caller}.${turn}`);
  }),
);
writeSync(2, `the crash point ${order.point} was passed ${passes} times only\n`);
process.exit(3);
