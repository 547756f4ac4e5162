import { FaissFloor } from "../floors/faiss.ts";
import { type FloorRow, floorRows, PostgresFloor } from "../floors/postgres.ts";
import { floorHashes, RedisFloor } from "../floors/redis.ts";
import type { Contender } from "../harness/rounds.ts";
import type { BenchContext } from "../harness/scenario.ts";
import { chunksOf, inParallel } from "./chunks.ts";
import type { BenchMemory } from "./dataset.ts";
import { type OurStores, sampleOf, verifyOutcomes } from "./our-stores.ts";
import { type ProcessorTime, rateWithProcessor } from "./processor-time.ts";
import { rate } from "./timed.ts";

/** Many memories at a time, by contenders who all get the same ones. */
export interface BulkTask {
  /** Made once per turn: ask for them before the clock runs. */
  memories(turn: number): readonly BenchMemory[];
  /** Memories that everybody holds after a turn. */
  countAfter(turn: number): number;
  /** The version at which our stores hold the memories of a turn after it. */
  versionAfter(turn: number): number;
}

/** Memories per chunk, for everybody. */
export const CHUNK = 500;
export const DURABLE = {
  ours: "documents, vectors, versions, history",
  postgres: "documents, vectors",
  nothing: "nothing",
} as const;
/** What `run` of a contender answers when all there is to tell is how many a second. */
export const RATE = [{ unit: "memories/s" }] as const;

/** `make`, its last result kept. */
export function onceForTurn<T>(make: (turn: number) => T): (turn: number) => T {
  let kept: { turn: number; made: T } | null = null;
  return (turn) => {
    if (kept?.turn !== turn) kept = { turn, made: make(turn) };
    return kept.made;
  };
}

export function ourBulk(ours: OurStores, task: BulkTask, processor?: ProcessorTime): Contender {
  const name = "mnemosync";
  return {
    name,
    role: "ours",
    durable: DURABLE.ours,
    figures: RATE,
    run: async (turn) => {
      const memories = task.memories(turn);
      const perSecond = await rateWithProcessor(name, memories.length, processor, async () => {
        verifyOutcomes(await ours.sync.syncBatch(memories), memories.length, "synced");
      });
      await ours.verifyCount(task.countAfter(turn));
      await ours.verifyHeld(sampleOf(memories), task.versionAfter(turn));
      return [perSecond];
    },
  };
}

/** @param width chunks at a time. */
export async function postgresBulk(
  context: BenchContext,
  width: number,
  task: BulkTask,
  processor?: ProcessorTime,
): Promise<Contender & { close(): Promise<void> }> {
  const floor = new PostgresFloor(await context.newDatabase(), width);
  await floor.begin();
  const rowsOf = onceForTurn((turn) => floorRows(task.memories(turn)));
  const name = `PostgreSQL alone, ${width} ${width === 1 ? "chunk" : "chunks"} at a time`;
  return {
    name,
    role: "floor",
    durable: DURABLE.postgres,
    figures: RATE,
    run: async (turn) => {
      const rows = rowsOf(turn);
      const chunks: FloorRow[][] = chunksOf(rows, CHUNK);
      const perSecond = await rateWithProcessor(name, rows.length, processor, () =>
        inParallel(chunks, width, (chunk) => floor.upsert(chunk)),
      );
      await floor.verifyHeld(sampleOf(rows), task.countAfter(turn));
      return [perSecond];
    },
    close: () => floor.close(),
  };
}

export function redisBulk(context: BenchContext, width: number, task: BulkTask): Contender & { close(): void } {
  const floor = new RedisFloor(context.redisUrl);
  return {
    name: "Redis alone",
    role: "floor",
    durable: DURABLE.nothing,
    figures: RATE,
    run: async (turn) => {
      const hashes = floorHashes(task.memories(turn));
      const chunks = chunksOf(hashes, CHUNK);
      const perSecond = await rate(hashes.length, () => inParallel(chunks, width, (chunk) => floor.write(chunk)));
      await floor.verifyHeld(sampleOf(hashes));
      // What it holds would only take memory from everybody.
      for (const chunk of chunks) await floor.remove(chunk);
      return [perSecond];
    },
    close: () => floor.close(),
  };
}

export function faissBulk(dimension: number, task: BulkTask): Contender & { close(): void } {
  const floor = new FaissFloor(dimension);
  return {
    name: "FAISS alone, in the process",
    role: "floor",
    durable: DURABLE.nothing,
    figures: RATE,
    run: async (turn) => {
      const vectors = task.memories(turn).map(({ embedding }) => embedding);
      const start = floor.count;
      const chunks = chunksOf(vectors, CHUNK);
      const perSecond = await rate(vectors.length, async () => {
        for (const chunk of chunks) floor.add(chunk);
      });
      const sample = sampleOf(vectors.map((vector, at) => ({ row: start + at, vector })));
      floor.verifyHeld(sample, start + vectors.length);
      return [perSecond];
    },
    close: () => floor.close(),
  };
}
