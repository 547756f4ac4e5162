import { RedisFloor } from "../floors/redis.ts";
import { alternate, type Contender, forDimensions, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, PREFIX, verifyOutcomes } from "../support/our-stores.ts";
import { verify } from "../support/report.ts";
import { LATENCY_FIGURES, latencies, latencyFigures } from "../support/timed.ts";

export const get: Scenario = {
  name: "get",
  run: (context) => forDimensions(context, measure),
};

async function measure(context: BenchContext, dimension: number): Promise<ScenarioResult> {
  const [stored, reads] = context.quick ? [1_000, 2_000] : [5_000, 10_000];
  const ours = await OurStores.open(context, { dimension });
  const floor = new RedisFloor(context.redisUrl);
  const memories = benchMemories(0, stored, 0, dimension);
  const idOf = (at: number): string => `memory-${(at * 7_919) % stored}`;
  const mine: Contender = {
    name: "mnemosync",
    role: "ours",
    figures: LATENCY_FIGURES,
    run: async () => {
      const found: Awaited<ReturnType<typeof ours.sync.get>>[] = new Array(reads);
      const times = await latencies(reads, async (at) => {
        found[at] = await ours.sync.get(idOf(at));
      });
      for (const [at, memory] of found.entries()) {
        const expected = memories[(at * 7_919) % stored];
        verify(memory?.content === expected?.content, `${idOf(at)} reads ${memory?.content}`);
        verify(memory?.source === "redis", `${idOf(at)} came from ${memory?.source}`);
        verify(memory.embedding?.length === dimension, `${idOf(at)} has ${memory.embedding?.length} numbers`);
      }
      return latencyFigures(times);
    },
  };
  const raw: Contender = {
    name: "Redis alone, HGETALL of the same hash",
    role: "floor",
    figures: LATENCY_FIGURES,
    run: async () => {
      const found: Record<string, Buffer>[] = new Array(reads);
      const times = await latencies(reads, async (at) => {
        found[at] = await floor.read(`${PREFIX}:memory:default:${idOf(at)}`);
      });
      verify(
        found.every(({ embedding, data }) => embedding?.byteLength === dimension * 4 && data !== undefined),
        "a hash of the floor is not whole",
      );
      return latencyFigures(times);
    },
  };
  try {
    verifyOutcomes(await ours.sync.syncBatch(memories), stored, "synced");
    const measures = await alternate([mine, raw], {
      ...planRounds(context, 5, 3),
      before: ours.settle,
      onRound: (round) => context.log(`${dimension}-d, round ${round}`),
    });
    const of = [
      { contender: mine.name, figure: "p50" },
      { contender: raw.name, figure: "p50" },
    ] as const;
    return {
      title: `${reads.toLocaleString("en-US")} reads of memories with ${dimension} numbers, one after the other`,
      method:
        "`get`, all of them answered by Redis: parsed, its version held against what this process wrote, its bytes against " +
        "their checksum. The floor takes the same fields as they are.",
      measures,
      targets: [ratioTarget("p50 beside that of the raw read", measures, of, "at most", 1.3)],
    };
  } finally {
    floor.close();
    await ours.close();
  }
}
