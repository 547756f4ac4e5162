import { alternate, forDimensions, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { type BulkTask, faissBulk, onceForTurn, ourBulk, postgresBulk, redisBulk } from "../support/bulk.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores } from "../support/our-stores.ts";
import { ProcessorTime } from "../support/processor-time.ts";

/** Chunks at a time: the default of option `writeConcurrency`. */
const WIDTH = 4;

export const bulkNew: Scenario = {
  name: "bulk-new",
  run: (context) => forDimensions(context, measure),
};

async function measure(context: BenchContext, dimension: number): Promise<ScenarioResult> {
  const count = (context.quick ? 3_000 : 20_000) / (dimension > 1_000 ? 2.5 : 1);
  const task: BulkTask = {
    memories: onceForTurn((turn) => benchMemories(turn * count, (turn + 1) * count, 0, dimension)),
    countAfter: (turn) => (turn + 1) * count,
    versionAfter: () => 1,
  };
  const processor = new ProcessorTime();
  const ours = await OurStores.open(context, { dimension });
  const wide = await postgresBulk(context, WIDTH, task, processor);
  const narrow = await postgresBulk(context, 1, task);
  const redis = redisBulk(context, WIDTH, task);
  const faiss = faissBulk(dimension, task);
  try {
    const measures = await alternate([ourBulk(ours, task, processor), wide, narrow, redis, faiss], {
      ...planRounds(context, 5, 3),
      warmUps: context.quick ? 1 : 2,
      before: ours.settle,
      onRound: (round) => context.log(`${dimension}-d, round ${round}`),
    });
    const target = (what: string, { name }: { name: string }, bound: number) =>
      ratioTarget(what, measures, [{ contender: "mnemosync" }, { contender: name }], "at least", bound);
    return {
      title: `${count.toLocaleString("en-US")} new memories of ${dimension} numbers`,
      method: `\`syncBatch\` of all of them, in chunks of 500, ${WIDTH} at a time; every round adds as many to what is there.`,
      measures,
      targets: [
        target("all three stores beside PostgreSQL alone, 1 chunk at a time", narrow, 0.5),
        target(`all three stores beside PostgreSQL alone, ${WIDTH} chunks at a time`, wide, 0.5),
        target(`the same, what is aimed at`, wide, 0.8),
      ],
      table: processor.table(),
    };
  } finally {
    for (const contender of [wide, narrow, redis, faiss]) await contender.close();
    await ours.close();
  }
}
