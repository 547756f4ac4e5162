import type { SyncOutcome } from "../../src/index.ts";
import { alternate, type Contender, forDimensions, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { DURABLE, RATE } from "../support/bulk.ts";
import { inParallel } from "../support/chunks.ts";
import { type BenchMemory, benchMemories } from "../support/dataset.ts";
import { OurStores, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { rate } from "../support/timed.ts";

const CALLERS = 256;

export const gathered: Scenario = {
  name: "gathered",
  run: (context) => forDimensions(context, measure),
};

async function measure(context: BenchContext, dimension: number): Promise<ScenarioResult> {
  const count = (context.quick ? 3_000 : 15_000) / (dimension > 1_000 ? 2.5 : 1);
  const ours = await OurStores.open(context, { dimension });
  let stored = 0;
  const contenderOf = (name: string, write: (memories: readonly BenchMemory[]) => Promise<SyncOutcome[]>) => {
    const contender: Contender = {
      name,
      role: "ours",
      durable: DURABLE.ours,
      figures: RATE,
      run: async () => {
        const memories = benchMemories(stored, stored + count, 0, dimension);
        const perSecond = await rate(count, async () => verifyOutcomes(await write(memories), count, "synced"));
        stored += count;
        await ours.verifyCount(stored);
        await ours.verifyHeld(sampleOf(memories), 1);
        return [perSecond];
      },
    };
    return contender;
  };
  const callers = contenderOf(`${CALLERS} callers of syncMemory at once`, async (memories) => {
    const outcomes: SyncOutcome[] = [];
    await inParallel(memories, CALLERS, async ({ memoryId, ...fields }) => {
      outcomes.push(await ours.sync.syncMemory(memoryId, fields));
    });
    return outcomes;
  });
  const batch = contenderOf("one syncBatch of all", (memories) => ours.sync.syncBatch(memories));
  try {
    const measures = await alternate([callers, batch], {
      ...planRounds(context, 5, 3),
      before: ours.settle,
      onRound: (round) => context.log(`${dimension}-d, round ${round}`),
    });
    const of = [{ contender: callers.name }, { contender: batch.name }] as const;
    return {
      title: `${count.toLocaleString("en-US")} single writes of ${dimension} numbers by ${CALLERS} callers`,
      method:
        "Each caller awaits its write before it makes the next; the writes are gathered into transactions of up to 500.",
      measures,
      targets: [ratioTarget("single writes beside a batch", measures, of, "at least", 0.8)],
    };
  } finally {
    await ours.close();
  }
}
