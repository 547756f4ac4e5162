import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { medianOf, ratioTarget } from "../harness/targets.ts";
import { quantile } from "../support/statistics.ts";
import type { HubService } from "./hub-service.ts";
import { Replicator } from "./replicators.ts";

const FIGURES = [
  { name: "p50", unit: "ms" },
  { name: "p99", unit: "ms" },
] as const;
const OURS = "mnemosync/edge";
const BARE = "a bare SQLite commit";
const BARE_IN_THREAD = "a bare SQLite commit, in a worker thread";
const P99_MAX_MS = 5;
const durable = "every write (WAL, synchronous = FULL)";

/** One write after the other, each durable before the next one. */
export async function localWrites(context: BenchContext, hub: HubService): Promise<ScenarioResult> {
  const count = context.quick ? 300 : 2_000;
  const directory = await context.newDirectory();
  const edge = Replicator.ours();
  const quantiles = (times: readonly number[]): number[] => [quantile(times, 0.5), quantile(times, 0.99)];
  try {
    await edge.ask("open", { name: "writes", directory, hub: hub.url, apiKey: hub.apiKey });
    const ours: Contender = {
      ...{ name: OURS, role: "ours", figures: FIGURES, durable },
      run: async (turn) => quantiles(await edge.ask("write", { from: turn * count, count })),
    };
    const bare: Contender = {
      ...{ name: BARE, role: "floor", figures: FIGURES, durable },
      run: async () => quantiles(await edge.ask("bare", { directory, count })),
    };
    const bareInThread: Contender = {
      ...{ name: BARE_IN_THREAD, role: "peer", figures: FIGURES, durable },
      run: async () => quantiles(await edge.ask("bareInThread", { directory, count })),
    };
    const measures = await alternate([ours, bare, bareInThread], planRounds(context, 5, 3));
    const of = (contender: string, figure: string) => ({ contender, figure });
    return {
      title: "The edge: local writes",
      method:
        `${count} writes, one after the other, of documents that are new. Ours is a memory, its words in the index and its change for the ` +
        "hub in one transaction, in a worker thread; the floor one row in one table, in the calling thread. The same row in a worker thread is what " +
        "a write costs at least whose caller is not held up.",
      measures,
      targets: [
        ratioTarget("a write beside a bare commit, p50", measures, [of(OURS, "p50"), of(BARE, "p50")], "at most", 1.5),
        {
          what: `a write at p99, beside ${P99_MAX_MS} ms`,
          ratio: medianOf(measures, of(OURS, "p99")) / P99_MAX_MS,
          bound: 1,
          kind: "at most",
        },
      ],
    };
  } finally {
    await edge.close();
  }
}
