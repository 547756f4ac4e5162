import { type FloorRow, floorRows, PostgresFloor } from "../floors/postgres.ts";
import { alternate, type Contender, forEach, planRounds } from "../harness/rounds.ts";
import type { Point, Scenario, ScenarioResult, Target } from "../harness/scenario.ts";
import { medianOf } from "../harness/targets.ts";
import { CHUNK, DURABLE, RATE } from "../support/bulk.ts";
import { chunksOf, inParallel } from "../support/chunks.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, PREFIX, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { untilQuiet } from "../support/quiet.ts";
import { loadSynthetic } from "../support/synthetic.ts";
import { rate } from "../support/timed.ts";

const DIMENSION = 384;
const WIDTH = 4;
/** New ones have numbers that no loaded one has. */
const FIRST_NEW = 10_000_000;
const NAMES = { ours: "mnemosync", floor: `PostgreSQL alone, ${WIDTH} chunks at a time` };

export const growth: Scenario = {
  name: "growth",
  run: async (context) => {
    const usual = context.quick ? [2_000, 8_000] : [10_000, 100_000, 500_000];
    const sizes = context.memories === undefined ? usual : [10_000, context.memories];
    const count = context.quick ? 1_500 : 4_000;
    const ours = await OurStores.open(context, { dimension: DIMENSION });
    // In the same database, so that it can be given what ours holds.
    const floor = new PostgresFloor(ours.postgresUrl, WIDTH);
    const written = { ours: 0, floor: 0 };
    const next = (who: "ours" | "floor") => {
      const from = FIRST_NEW + written[who];
      written[who] += count;
      return benchMemories(from, from + count, 0, DIMENSION);
    };
    let loaded = 0;
    let held = 0;
    const mine: Contender = {
      name: NAMES.ours,
      role: "ours",
      durable: DURABLE.ours,
      figures: RATE,
      run: async () => {
        const memories = next("ours");
        const perSecond = await rate(count, async () => {
          verifyOutcomes(await ours.sync.syncBatch(memories), count, "synced");
        });
        await ours.verifyCount(loaded + written.ours);
        await ours.verifyHeld(sampleOf(memories, 5), 1);
        return [perSecond];
      },
    };
    const bare: Contender = {
      name: NAMES.floor,
      role: "floor",
      durable: DURABLE.postgres,
      figures: RATE,
      run: async () => {
        const rows = floorRows(next("floor"));
        const chunks: FloorRow[][] = chunksOf(rows, CHUNK);
        const perSecond = await rate(count, () => inParallel(chunks, WIDTH, (chunk) => floor.upsert(chunk)));
        held += count;
        await floor.verifyHeld(sampleOf(rows, 5), held);
        return [perSecond];
      },
    };
    let results: ScenarioResult[];
    try {
      results = await forEach(context, sizes, async (part, size) => {
        await loadSynthetic(ours.sql, context.redisUrl, PREFIX, { dimension: DIMENSION, from: loaded, to: size });
        loaded = size;
        await ours.reopen(); // Its index takes over what is new.
        await floor.begin();
        await floor.fillFromLedger();
        held = await floor.count();
        await ours.settle();
        await untilQuiet(60_000);
        context.log(`${size} memories loaded`);
        const measures = await alternate([mine, bare], {
          ...planRounds(part, 5, 3),
          before: ours.settle,
          onRound: (round) => context.log(`${size}, round ${round}`),
        });
        return {
          title: `${count.toLocaleString("en-US")} new memories where ${size.toLocaleString("en-US")} are stored`,
          method: `\`syncBatch\` in chunks of 500, ${DIMENSION} numbers each; the floor's table holds as many rows.`,
          measures,
          targets: [],
        };
      });
    } finally {
      await floor.close();
      await ours.close();
    }
    return [...results, overview(sizes, results)];
  },
};

function overview(sizes: readonly number[], results: readonly ScenarioResult[]): ScenarioResult {
  const pointsOf = (contender: string): Point[] =>
    results.map(({ measures }, at): Point => [sizes[at] as number, medianOf(measures, { contender })]);
  const [small, large] = [pointsOf(NAMES.ours)[0], pointsOf(NAMES.ours).at(-1)];
  const targets: Target[] = [
    {
      what: `the rate at ${large?.[0].toLocaleString("en-US")} stored beside that at ${small?.[0].toLocaleString("en-US")}`,
      ratio: (large?.[1] ?? Number.NaN) / (small?.[1] ?? Number.NaN),
      bound: 0.8,
      kind: "at least",
    },
  ];
  return {
    title: "How the rate holds",
    method: "The medians above.",
    measures: [],
    targets,
    lines: {
      x: "memories stored",
      y: "new memories per second",
      series: [
        { name: NAMES.ours, role: "ours", points: pointsOf(NAMES.ours) },
        { name: NAMES.floor, role: "floor", points: pointsOf(NAMES.floor) },
      ],
    },
  };
}
