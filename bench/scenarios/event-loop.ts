import { readFileSync } from "node:fs";
import { alternate, type Contender, forDimensions, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { medianOf } from "../harness/targets.ts";
import { benchMemories } from "../support/dataset.ts";
import { measured } from "../support/measure.ts";
import { OurStores, verifyOutcomes } from "../support/our-stores.ts";
import { quantile } from "../support/statistics.ts";

/** Milliseconds by which timers of the program may come late, at the 99th percentile. */
const LATE_MAX_MS = 20;
const LOOK_MS = 1;
const FIGURES = [
  { name: "timers late, p99", unit: "ms" },
  { name: "timers late, at worst", unit: "ms" },
  { name: "processor time between two looks, p99", unit: "ms" },
] as const;

/** Question: how long does a batch keep the other work of its process waiting? */
export const eventLoop: Scenario = {
  name: "event-loop",
  run: (context) => forDimensions(context, measure),
};

async function measure(context: BenchContext, dimension: number): Promise<ScenarioResult> {
  const count = (context.quick ? 3_000 : 20_000) / (dimension > 1_000 ? 2.5 : 1);
  const opened: OurStores[] = [];
  const contenderOf = async (batchSize: number): Promise<Contender> => {
    const ours = await OurStores.open(context, { dimension, batchSize, redisPrefix: `loop-${batchSize}` });
    opened.push(ours);
    let stored = 0;
    return {
      name: `syncBatch in chunks of ${batchSize}`,
      role: "ours",
      figures: FIGURES,
      run: async () => {
        const memories = benchMemories(stored, stored + count, 0, dimension);
        const looks = new ThreadLooks();
        const { result, loopP99Ms, loopMaxMs } = await measured(() => ours.sync.syncBatch(memories));
        const between = looks.end();
        verifyOutcomes(result, count, "synced");
        stored += count;
        await ours.verifyCount(stored);
        return [loopP99Ms, loopMaxMs, quantile(between, 0.99)];
      },
    };
  };
  try {
    const contenders = [await contenderOf(100), await contenderOf(500)];
    const measures = await alternate(contenders, {
      ...planRounds(context, 5, 3),
      before: async () => void (await opened[0]?.settle()),
      onRound: (round) => context.log(`${dimension}-d, round ${round}`),
    });
    const targets = contenders.map(({ name: contender }) => ({
      what: `${contender}: timers late at p99, beside ${LATE_MAX_MS} ms`,
      ratio: medianOf(measures, { contender, figure: FIGURES[0].name }) / LATE_MAX_MS,
      bound: 1,
      kind: "at most" as const,
    }));
    return {
      title: `The event loop during a batch of ${count.toLocaleString("en-US")} memories of ${dimension} numbers`,
      method:
        "One `syncBatch` of new memories. Timers of 10 ms are late by what keeps the event loop, and by what other processes take of " +
        `the machine; the processor time that the program's thread uses between two looks, ${LOOK_MS} ms apart at least, is its own alone.`,
      measures,
      targets,
    };
  } finally {
    for (const ours of opened) await ours.close();
  }
}

/** Processor time of this thread between two turns of the event loop that are 1 ms apart or more; zeros without `/proc`. */
class ThreadLooks {
  readonly #between: number[] = [];
  #last = threadMs();
  readonly #timer = setInterval(() => {
    const now = threadMs();
    this.#between.push(now - this.#last);
    this.#last = now;
  }, LOOK_MS);

  end(): readonly number[] {
    clearInterval(this.#timer);
    return this.#between.length === 0 ? [0] : this.#between;
  }
}

function threadMs(): number {
  if (process.platform !== "linux") return 0;
  // Of the main thread, whose id is the process's: nanoseconds on a processor, then two other numbers.
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1").split(" ")[0]) / 1e6;
}
