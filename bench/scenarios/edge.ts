import { HubService } from "../edge/hub-service.ts";
import { lag } from "../edge/lag.ts";
import { largeEdge } from "../edge/large-edge.ts";
import { localWrites } from "../edge/local-writes.ts";
import { replication } from "../edge/replication.ts";
import { openPeers } from "../edge/replicators.ts";
import type { Scenario } from "../harness/scenario.ts";

/** Question: what does an edge cost its process, and how fast does it converge with its hub, beside databases that replicate? */
export const edge: Scenario = {
  name: "edge",
  run: async (context) => {
    const hub = await HubService.start(context);
    const peers = await openPeers(context);
    try {
      return [
        await localWrites(context, hub),
        ...(await replication(context, hub, peers)),
        await lag(context, hub),
        await largeEdge(context, hub),
      ];
    } finally {
      for (const pair of peers.pairs) await pair.close();
      await hub.close();
    }
  },
};
