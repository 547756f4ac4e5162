import { projectVector } from "../../src/stores/faiss/protocol/metric.ts";
import { FaissFloor } from "../floors/faiss.ts";
import { alternate, type Contender, forEach, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Point, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { medianOf, type Of, ratioTarget } from "../harness/targets.ts";
import { chunksOf, inParallel } from "../support/chunks.ts";
import { benchVector } from "../support/dataset.ts";
import { OurStores, PREFIX } from "../support/our-stores.ts";
import { untilQuiet } from "../support/quiet.ts";
import { verify } from "../support/report.ts";
import { loadSynthetic, syntheticVector } from "../support/synthetic.ts";
import { LATENCY_FIGURES, latencies, latencyFigures, rate } from "../support/timed.ts";

const DIMENSION = 384;
const K = 10;
const AT_ONCE = 32;
const FIGURES = [...LATENCY_FIGURES, { unit: "searches/s" }] as const;
const NAMES = {
  ours: "mnemosync",
  fresh: "mnemosync, queries never asked before",
  floor: "FAISS alone, in the process",
};

export const search: Scenario = {
  name: "search",
  run: async (context) => {
    const sizes = context.quick ? [1_000, 5_000] : [10_000, 100_000];
    const ours = await OurStores.open(context, { dimension: DIMENSION });
    const floor = new FaissFloor(DIMENSION);
    let results: ScenarioResult[];
    try {
      results = await forEach(context, sizes, async (part, size) => {
        const range = { dimension: DIMENSION, from: floor.count, to: size };
        await loadSynthetic(ours.sql, context.redisUrl, PREFIX, range);
        const numbers = Array.from({ length: size - floor.count }, (_, at) => floor.count + at);
        for (const chunk of chunksOf(numbers, 2_000)) {
          floor.add(chunk.map((number) => projectVector("cosine", syntheticVector(number, DIMENSION))));
        }
        await ours.reopen(); // Its index takes over what is new.
        await ours.verifyCount(size);
        context.log(`${size} memories loaded`);
        return await measure(part, ours, floor, size);
      });
    } finally {
      floor.close();
      await ours.close();
    }
    return [...results, overview(sizes, results)];
  },
};

async function measure(
  context: BenchContext,
  ours: OurStores,
  floor: FaissFloor,
  size: number,
): Promise<ScenarioResult> {
  const count = context.quick ? 64 : 128;
  const queriesFrom = (first: number): Float32Array[] =>
    Array.from({ length: count }, (_, at) => benchVector(`query ${first + at}`, DIMENSION));
  const queries = queriesFrom(0);
  const nearest = (of: readonly Float32Array[]): string[] =>
    floor.search(of, K).map((rows) =>
      rows
        .map((row) => `memory-${row}`)
        .sort()
        .join(),
    );
  const expected = nearest(queries);
  const verifyFound = (found: readonly string[][], who: string, wanted = expected): void => {
    for (const [at, ids] of found.entries()) {
      verify(ids.toSorted().join() === wanted[at % count], `${who} found ${ids.join(" ")} for query ${at}`);
    }
  };
  /** Searches for `single` one after the other, then for `together` with 32 at once. */
  const searched = async (single: Float32Array[], together: Float32Array[]): Promise<number[]> => {
    const found: string[][] = new Array(count);
    const find = async (query: Float32Array | undefined, at: number): Promise<void> => {
      const results = await ours.sync.search(query as Float32Array, { k: K });
      found[at] = results.map(({ memory }) => memory.memoryId);
    };
    const [firstWanted, secondWanted] = [nearest(single), nearest(together)];
    const times = await latencies(count, (at) => find(single[at], at));
    verifyFound(found, NAMES.ours, firstWanted);
    found.fill([]);
    const numbers = queries.map((_, at) => at);
    const perSecond = await rate(count, () => inParallel(numbers, AT_ONCE, (at) => find(together[at], at)));
    verifyFound(found, NAMES.ours, secondWanted);
    return [...latencyFigures(times), perSecond];
  };
  const mine: Contender = {
    name: NAMES.ours,
    role: "ours",
    figures: FIGURES,
    run: () => searched(queries, queries),
  };
  let asked = count;
  const fresh: Contender = {
    name: NAMES.fresh,
    role: "ours",
    figures: FIGURES,
    run: () => {
      asked += 2 * count;
      return searched(queriesFrom(asked), queriesFrom(asked + count));
    },
  };
  const bare: Contender = {
    name: NAMES.floor,
    role: "floor",
    figures: FIGURES,
    run: async () => {
      const found: number[][] = [];
      const times = await latencies(count, async (at) => {
        found.push(...floor.search([queries[at] as Float32Array], K));
      });
      const perSecond = await rate(count, async () => {
        for (const chunk of chunksOf(queries, AT_ONCE)) found.push(...floor.search(chunk, K));
      });
      verify(found.length === 2 * count, `the floor answered ${found.length} of ${2 * count} searches`);
      verifyFound(
        found.map((rows) => rows.map((row) => `memory-${row}`)),
        NAMES.floor,
      );
      return [...latencyFigures(times), perSecond];
    },
  };
  const measures = await alternate([mine, fresh, bare], {
    ...planRounds(context, 4, 2),
    before: async () => void (await untilQuiet()),
    onRound: (round) => context.log(`${size}, round ${round}`),
  });
  const beside = (figure?: string) =>
    [NAMES.ours, NAMES.floor].map((contender) => ({ contender, ...(figure !== undefined && { figure }) })) as [Of, Of];
  return {
    title: `The ${K} nearest of ${size.toLocaleString("en-US")} memories with ${DIMENSION} numbers`,
    method:
      `${count} searches one after the other (ms), then as many with ${AT_ONCE} at once (searches/s). Exact, in a flat index, ` +
      "and the same ids in both; FAISS has one thread less than there are cores, in both. Ours answers memories: read from Redis and proven, or kept " +
      "from an earlier search and confirmed by Redis. The same queries come in each round, and for the second line new ones; the floor answers row numbers, " +
      `blocks its process meanwhile, and is given ${AT_ONCE} queries in one call.`,
    measures,
    targets: [
      ratioTarget("p50 beside that of FAISS alone", measures, beside("p50"), "at most", 1.2),
      ratioTarget(`${AT_ONCE} searches at once beside FAISS alone`, measures, beside(), "at least", 0.7),
    ],
  };
}

function overview(sizes: readonly number[], results: readonly ScenarioResult[]): ScenarioResult {
  const pointsOf = (contender: string): Point[] =>
    results.map(({ measures }, at): Point => [sizes[at] as number, medianOf(measures, { contender, figure: "p50" })]);
  return {
    title: "How a search grows",
    method: "The medians of p50 above.",
    measures: [],
    targets: [],
    lines: {
      x: "memories stored",
      y: "milliseconds",
      series: [
        { name: NAMES.ours, role: "ours", points: pointsOf(NAMES.ours) },
        { name: NAMES.floor, role: "floor", points: pointsOf(NAMES.floor) },
      ],
    },
  };
}
