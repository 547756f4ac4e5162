import type { Scenario } from "../harness/scenario.ts";
import { medianOf } from "../harness/targets.ts";
import { underLoad } from "../replica/load.ts";
import { ReplicaPair } from "../replica/pair.ts";
import { replicationRate } from "../replica/rate.ts";
import { verification } from "../replica/verification.ts";

/** Question: how fast is replication beside the writes that it follows, what does it cost them, and what does a verification take? */
export const replica: Scenario = {
  name: "replica",
  run: async (context) => {
    const pair = await ReplicaPair.open(context);
    try {
      const rate = await replicationRate({ ...context, budget: context.budget.part(3) }, pair);
      const [written] = rate.measures;
      const perSecond = medianOf(rate.measures, { contender: written?.contender ?? "", figure: written?.figure ?? "" });
      const load = await underLoad({ ...context, budget: context.budget.part(2) }, pair, perSecond);
      return [rate, load, await verification(context, pair)];
    } finally {
      await pair.close();
    }
  },
};
