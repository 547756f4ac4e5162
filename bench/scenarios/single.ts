import { floorRows, PostgresFloor } from "../floors/postgres.ts";
import { floorHashes, RedisFloor } from "../floors/redis.ts";
import { alternate, type Contender, forDimensions, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { type Of, ratioTarget } from "../harness/targets.ts";
import { DURABLE, onceForTurn } from "../support/bulk.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { LATENCY_FIGURES, latencies, latencyFigures } from "../support/timed.ts";
import { traceOne } from "../trace/trace.ts";

export const single: Scenario = {
  name: "single",
  run: (context) => (context.trace ? traceOne(context) : forDimensions(context, measure)),
};

/**
 * Rounds that do not count. While the engine compiles the way of a write, which takes some 4,000 of them, its compiler has the second
 * core, and the slowest twentieth of the writes wait for it.
 */
const WARM_UPS = 5;

async function measure(context: BenchContext, dimension: number): Promise<ScenarioResult> {
  const count = context.quick ? 200 : 1_000;
  const memoriesOf = onceForTurn((turn) => benchMemories(turn * count, (turn + 1) * count, 0, dimension));
  const ours = await OurStores.open(context, { dimension });
  const floor = new PostgresFloor(await context.newDatabase(), 1);
  await floor.begin();
  const inTwo = new PostgresFloor(await context.newDatabase(), 1);
  await inTwo.begin();
  const redis = new RedisFloor(context.redisUrl);
  const contenders: Contender[] = [
    {
      name: "mnemosync",
      role: "ours",
      durable: DURABLE.ours,
      figures: LATENCY_FIGURES,
      run: async (turn) => {
        const inputs = memoriesOf(turn).map(({ memoryId, ...fields }) => ({ memoryId, fields }));
        const outcomes = new Array(count);
        const times = await latencies(count, async (at) => {
          const { memoryId, fields } = inputs[at] as (typeof inputs)[number];
          outcomes[at] = await ours.sync.syncMemory(memoryId, fields);
        });
        verifyOutcomes(outcomes, count, "synced");
        await ours.verifyCount((turn + 1) * count);
        await ours.verifyHeld(sampleOf(memoriesOf(turn)), 1);
        return latencyFigures(times);
      },
    },
    {
      name: "PostgreSQL alone, a commit per row",
      role: "floor",
      durable: DURABLE.postgres,
      figures: LATENCY_FIGURES,
      run: async (turn) => {
        const rows = floorRows(memoriesOf(turn));
        const times = await latencies(count, (at) => floor.commitOne(rows[at] as (typeof rows)[number]));
        await floor.verifyHeld(sampleOf(rows), (turn + 1) * count);
        return latencyFigures(times);
      },
    },
    {
      name: "three bare round trips",
      role: "floor",
      durable: DURABLE.postgres,
      figures: LATENCY_FIGURES,
      run: async (turn) => {
        const rows = floorRows(memoriesOf(turn));
        const hashes = floorHashes(memoriesOf(turn));
        const times = await latencies(count, async (at) => {
          await inTwo.commitOneInTwo(rows[at] as (typeof rows)[number]);
          await redis.write([hashes[at] as (typeof hashes)[number]]);
        });
        await inTwo.verifyHeld(sampleOf(rows), (turn + 1) * count);
        await redis.verifyHeld(sampleOf(hashes));
        return latencyFigures(times);
      },
    },
  ];
  try {
    const measures = await alternate(contenders, {
      ...planRounds(context, 5, 3),
      warmUps: context.quick ? 1 : WARM_UPS,
      before: ours.settle,
      onRound: (round) => context.log(`${dimension}-d, round ${round}`),
    });
    const beside = (floorAt: number, figure: string) =>
      [contenders[0], contenders[floorAt]].map((of) => ({ contender: of?.name ?? "", figure })) as [Of, Of];
    return {
      title: `${count.toLocaleString("en-US")} single writes of ${dimension} numbers, one after the other`,
      method:
        "`syncMemory`, each awaited before the next. The floor inserts the row and commits, prepared, on one connection. " +
        "Three round trips: BEGIN and the row in one flight, COMMIT, and the same memory into Redis by a script.",
      measures,
      targets: [
        ratioTarget("p50 beside that of a bare commit of one row", measures, beside(1, "p50"), "at most", 3),
        ratioTarget("p95 beside that of a bare commit of one row", measures, beside(1, "p95"), "at most", 4),
        ratioTarget("p50 beside three bare round trips", measures, beside(2, "p50"), "at most", 1.3),
      ],
    };
  } finally {
    redis.close();
    await inTwo.close();
    await floor.close();
    await ours.close();
  }
}
