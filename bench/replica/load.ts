import { setTimeout as pause } from "node:timers/promises";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { medianOf, ratioTarget } from "../harness/targets.ts";
import { chunksOf } from "../support/chunks.ts";
import { benchMemories } from "../support/dataset.ts";
import { verifyOutcomes } from "../support/our-stores.ts";
import { quantile } from "../support/statistics.ts";
import { DIMENSION, type ReplicaPair } from "./pair.ts";

/** Share of the rate of `syncBatch` alone at which the primary is written. */
const SHARE = 0.3;
/** Memories of a call. */
const BATCH = 100;
const SAMPLE_MS = 100;
const WITHOUT = "the primary, replication paused";
const WITH = "the primary, replication under way";

/** Memories under ids that nothing else writes. */
class Paced {
  readonly #pair: ReplicaPair;
  readonly #perSecond: number;
  #next = 10_000_000;

  constructor(pair: ReplicaPair, perSecond: number) {
    this.#pair = pair;
    this.#perSecond = perSecond;
  }

  /** Writes at the rate for so long, or until `isOver`. @returns milliseconds that each call took. */
  async write(seconds: number, isOver: () => boolean = () => false): Promise<number[]> {
    const count = Math.ceil((seconds * this.#perSecond) / BATCH) * BATCH;
    const batches = chunksOf(benchMemories(this.#next, this.#next + count, 0, DIMENSION), BATCH);
    this.#next += count;
    const intervalMs = (BATCH / this.#perSecond) * 1_000;
    const times: number[] = [];
    const startedAt = performance.now();
    for (const [at, batch] of batches.entries()) {
      if (isOver()) break;
      await pause(Math.max(0, startedAt + at * intervalMs - performance.now()));
      const calledAt = performance.now();
      verifyOutcomes(await this.#pair.sync.syncBatch(batch), batch.length, "synced");
      times.push(performance.now() - calledAt);
    }
    return times;
  }
}

/** What does replication cost the writes of a primary that is busy for 30 %, how far is it behind, and how fast does it catch up? */
export async function underLoad(
  context: BenchContext,
  pair: ReplicaPair,
  writtenPerSecond: number,
): Promise<ScenarioResult> {
  const perSecond = writtenPerSecond * SHARE;
  const seconds = context.quick ? 0.5 : 3;
  const paced = new Paced(pair, perSecond);
  const lags: number[] = [];
  const contender = (name: string, prepare: () => Promise<void>, samples: boolean): Contender => ({
    name,
    role: samples ? "ours" : "floor",
    figures: [{ unit: "ms", name: "p50" }],
    run: async () => {
      await pair.sync.replica.resume();
      await pair.caughtUp();
      await prepare();
      const isOver = { value: false };
      const sampling = samples ? sampleLag(pair, lags, () => isOver.value) : Promise.resolve();
      const times = await paced.write(seconds);
      isOver.value = true;
      await sampling;
      return [quantile(times, 0.5)];
    },
  });
  const measures = await alternate(
    [contender(WITHOUT, () => pair.pause(), false), contender(WITH, async () => undefined, true)],
    {
      ...planRounds(context, 5, 2),
      before: pair.stores.settle,
      onRound: (round) => context.log(`load, round ${round}`),
    },
  );
  const drained = await drain(pair, paced, context.quick ? 0.5 : 6);
  const hourMinutes = (perSecond * 3_600) / drained.perSecond / 60;
  const of = (name: string) => ({ contender: name, figure: "p50" });
  return {
    title: `A primary at ${SHARE * 100} % of its rate: ${Math.round(perSecond).toLocaleString("en-US")} memories a second`,
    method:
      `Calls of \`syncBatch\` with ${BATCH} new memories, ${(perSecond / BATCH).toFixed(1)} a second; milliseconds of a call. The replica's server, ` +
      "its writes and the replicating code share the machine and, the code, the process with the primary. The lag is `replica.status`'s.",
    measures,
    targets: [
      ratioTarget("a call with replication beside one without, p50", measures, [of(WITH), of(WITHOUT)], "at most", 1.1),
    ],
    table: {
      columns: ["besides", ""],
      rows: [
        ["lag, p50", `${quantile(lags, 0.5).toFixed(2)} s`],
        ["lag, p99", `${quantile(lags, 0.99).toFixed(2)} s`],
        ["calls without replication, p50", `${medianOf(measures, of(WITHOUT)).toFixed(1)} ms`],
        [
          `a backlog of ${Math.round(drained.count).toLocaleString("en-US")} memories, ${drained.seconds} s at that rate, while the primary goes on`,
          `drained in ${(drained.count / drained.perSecond).toFixed(2)} s`,
        ],
        ["an hour's backlog by that, while the primary goes on", `${hourMinutes.toFixed(0)} minutes`],
      ],
    },
  };
}

async function sampleLag(pair: ReplicaPair, lags: number[], isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await pause(SAMPLE_MS);
    const { lag } = await pair.sync.replica.status();
    if (lag !== null) lags.push(lag.seconds);
  }
}

/** Replication is paused for so long while the primary goes on, and resumed. */
async function drain(
  pair: ReplicaPair,
  paced: Paced,
  seconds: number,
): Promise<{ count: number; seconds: number; perSecond: number }> {
  await pair.pause();
  const count = (await paced.write(seconds)).length * BATCH;
  let isDrained = false;
  const goingOn = paced.write(seconds * 4, () => isDrained);
  const startedAt = performance.now();
  await pair.sync.replica.resume();
  // Behind the last of the backlog, and of what was written while it was drained.
  await pair.until(async () => {
    const { state, lag } = await pair.sync.replica.status();
    return state === "following" && lag !== null && lag.changes <= BATCH;
  }, "does not drain its backlog");
  const ms = performance.now() - startedAt;
  isDrained = true;
  await goingOn;
  return { count, seconds, perSecond: (count / ms) * 1_000 };
}
