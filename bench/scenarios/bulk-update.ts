import { alternate, forDimensions, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { type BulkTask, onceForTurn, ourBulk, postgresBulk } from "../support/bulk.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores } from "../support/our-stores.ts";
import { ProcessorTime } from "../support/processor-time.ts";

const WIDTH = 4;

export const bulkUpdate: Scenario = {
  name: "bulk-update",
  run: (context) => forDimensions(context, measure),
};

async function measure(context: BenchContext, dimension: number): Promise<ScenarioResult> {
  const count = (context.quick ? 3_000 : 20_000) / (dimension > 1_000 ? 2.5 : 1);
  const task: BulkTask = {
    memories: onceForTurn((turn) => benchMemories(0, count, turn, dimension)),
    countAfter: () => count,
    versionAfter: (turn) => turn + 1,
  };
  const processor = new ProcessorTime();
  const ours = await OurStores.open(context, { dimension });
  const wide = await postgresBulk(context, WIDTH, task, processor);
  const narrow = await postgresBulk(context, 1, task);
  try {
    const measures = await alternate([ourBulk(ours, task, processor), wide, narrow], {
      ...planRounds(context, 5, 3),
      warmUps: 2, // The first one writes them, the second one is the first update.
      before: ours.settle,
      onRound: (round) => context.log(`${dimension}-d, round ${round}`),
    });
    const of = [{ contender: "mnemosync" }, { contender: wide.name }] as const;
    return {
      title: `${count.toLocaleString("en-US")} changed memories of ${dimension} numbers`,
      method:
        `\`syncBatch\`, chunks of 500, ${WIDTH} at a time; content and vector of each differ from the round before. The ` +
        "floor overwrites its rows; ours keeps what was replaced as history.",
      measures,
      targets: [ratioTarget("all three stores beside PostgreSQL alone", measures, of, "at least", 0.5)],
      table: processor.table(),
    };
  } finally {
    await wide.close();
    await narrow.close();
    await ours.close();
  }
}
