import { alternate, type Contender, forDimensions, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { DURABLE, RATE } from "../support/bulk.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { ProcessorTime, rateWithProcessor } from "../support/processor-time.ts";

/** What a change costs beside a new memory, in the same stores and the same run. */
export const changed: Scenario = {
  name: "changed",
  run: (context) => forDimensions(context, measure),
};

async function measure(context: BenchContext, dimension: number): Promise<ScenarioResult> {
  const count = (context.quick ? 3_000 : 20_000) / (dimension > 1_000 ? 2.5 : 1);
  const processor = new ProcessorTime();
  const ours = await OurStores.open(context, { dimension });
  /** Those that turn `turn` creates; turn -1 is there from the start. */
  const created = (turn: number, revision: number) =>
    benchMemories((turn + 1) * count, (turn + 2) * count, revision, dimension);
  let held = 0;
  const write = async (name: string, turn: number, revision: number): Promise<number[]> => {
    const memories = created(turn, revision);
    const perSecond = await rateWithProcessor(name, count, processor, async () => {
      verifyOutcomes(await ours.sync.syncBatch(memories), count, "synced");
    });
    if (revision === 0) held += count;
    await ours.verifyCount(held);
    await ours.verifyHeld(sampleOf(memories), revision + 1);
    return [perSecond];
  };
  const contender = (name: "changed" | "new", run: Contender["run"]): Contender => ({
    name,
    role: name === "changed" ? "ours" : "floor",
    durable: DURABLE.ours,
    figures: RATE,
    run,
  });
  try {
    verifyOutcomes(await ours.sync.syncBatch(created(-1, 0)), count, "synced");
    held = count;
    const measures = await alternate(
      [
        contender("changed", (turn) => write("changed", turn - 1, 1)), // Those that were new one turn ago.
        contender("new", (turn) => write("new", turn, 0)),
      ],
      {
        ...planRounds(context, 5, 3),
        before: ours.settle,
        onRound: (round) => context.log(`${dimension}-d, round ${round}`),
      },
    );
    const of = [{ contender: "changed" }, { contender: "new" }] as const;
    return {
      title: `${count.toLocaleString("en-US")} changed memories beside as many new ones, ${dimension} numbers`,
      method:
        "`syncBatch`, chunks of 500, 4 at a time, all three stores. Content and vector of each changed memory differ from its first " +
        "version, which stays in the history.",
      measures,
      targets: [ratioTarget("changed beside new", measures, of, "at least", 0.8)],
      table: processor.table(),
    };
  } finally {
    await ours.close();
  }
}
