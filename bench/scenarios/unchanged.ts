import { alternate, type Contender, forDimensions, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { DURABLE, RATE } from "../support/bulk.ts";
import { type BenchMemory, benchMemories } from "../support/dataset.ts";
import { OurStores, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { rate } from "../support/timed.ts";

export const unchanged: Scenario = {
  name: "unchanged",
  run: (context) => forDimensions(context, measure),
};

async function measure(context: BenchContext, dimension: number): Promise<ScenarioResult> {
  const count = (context.quick ? 3_000 : 20_000) / (dimension > 1_000 ? 2.5 : 1);
  const ours = await OurStores.open(context, { dimension });
  let newest: readonly BenchMemory[] = benchMemories(0, count, 0, dimension);
  let stored = count;
  const contenderOf = (name: string, status: "synced" | "unchanged", memoriesOf: () => readonly BenchMemory[]) => {
    const contender: Contender = {
      name,
      role: "ours",
      durable: DURABLE.ours,
      figures: RATE,
      run: async () => {
        newest = memoriesOf();
        const perSecond = await rate(count, async () => {
          verifyOutcomes(await ours.sync.syncBatch(newest), count, status);
        });
        if (status === "synced") stored += count;
        await ours.verifyCount(stored);
        await ours.verifyHeld(sampleOf(newest), 1);
        return [perSecond];
      },
    };
    return contender;
  };
  const again = contenderOf("memories that did not change", "unchanged", () => newest);
  const fresh = contenderOf("new memories", "synced", () => benchMemories(stored, stored + count, 0, dimension));
  try {
    verifyOutcomes(await ours.sync.syncBatch(newest), count, "synced");
    const measures = await alternate([again, fresh], {
      ...planRounds(context, 5, 3),
      before: ours.settle,
      onRound: (round) => context.log(`${dimension}-d, round ${round}`),
    });
    const of = [{ contender: again.name }, { contender: fresh.name }] as const;
    return {
      title: `${count.toLocaleString("en-US")} memories of ${dimension} numbers, written again as they are`,
      method: "`syncBatch` in chunks of 500 of what the stores hold already, beside as many new ones.",
      measures,
      targets: [ratioTarget("what did not change beside what is new", measures, of, "at least", 2)],
    };
  } finally {
    await ours.close();
  }
}
