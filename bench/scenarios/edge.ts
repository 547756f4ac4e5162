import { HubService } from "../edge/hub-service.ts";
import { lag } from "../edge/lag.ts";
import { largeEdge } from "../edge/large-edge.ts";
import { localWrites } from "../edge/local-writes.ts";
import { replication } from "../edge/replication.ts";
import { openPeers } from "../edge/replicators.ts";
import { Budget } from "../harness/budget.ts";
import type { BenchContext, Scenario } from "../harness/scenario.ts";

/** Milliseconds for what is measured once: lags, whose longest is an interval of polling, and a file of 100,000 memories. */
const ONCE_MS = 115_000;

/** Question: what does an edge cost its process, and how fast does it converge with its hub, beside databases that replicate? */
export const edge: Scenario = {
  name: "edge",
  run: async (context) => {
    const hub = await HubService.start(context);
    const peers = await openPeers(context);
    const rounds = new Budget(context.budget.remainingMs - (context.quick ? 0 : ONCE_MS));
    const within = (budget: Budget): BenchContext => ({ ...context, budget });
    try {
      return [
        await localWrites(within(rounds.part(6)), hub),
        ...(await replication(within(rounds), hub, peers)),
        await lag(context, hub),
        await largeEdge(context, hub),
      ];
    } finally {
      for (const pair of peers.pairs) await pair.close();
      await hub.close();
    }
  },
};
