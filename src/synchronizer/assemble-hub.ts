import { HubService } from "../hub/hub-service.ts";
import { recentCounts } from "../hub/recent-counts.ts";
import { HubLedger } from "../ledger/hub-ledger.ts";
import type { WritingParts } from "./assemble-writing.ts";
import type { CallScope } from "./call-scope.ts";
import type { Foundation } from "./foundation.ts";

/** The hub of edges, on the parts that every write and every reader of the feed uses. */
export function assembleHub(
  foundation: Foundation,
  { intake, batcher }: Pick<WritingParts, "intake" | "batcher">,
  scope: CallScope,
): HubService {
  const { options, postgres, ledger, stores, validator, embedder, feed, metrics, log } = foundation;
  metrics.hub.readFrom(postgres, log);
  const now = (): number => performance.now();
  const { dimension, model = embedder?.model ?? null } = stores.vectorShape;
  return new HubService({
    intake,
    batcher,
    validator,
    feed,
    ledger: new HubLedger(postgres, options.callTimeoutMs),
    settings: options.hub,
    bounds: options,
    vectors: dimension === undefined ? null : { dimension, model: model ?? null },
    metrics: metrics.hub,
    memoriesIn: recentCounts(async (namespace, signal) => {
      const counts = await ledger.namespaceStatistics([namespace], options.publishDeadlineMs, signal);
      return counts.memories;
    }, now),
    now,
    run: (name, call, work) => scope.run(name, call, work),
  });
}
