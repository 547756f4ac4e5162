import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { benchVector } from "../support/dataset.ts";
import { OurStores, PREFIX } from "../support/our-stores.ts";
import type { Synchronizer } from "../support/product.ts";
import { untilQuiet } from "../support/quiet.ts";
import { verify } from "../support/report.ts";
import { median, quantile } from "../support/statistics.ts";
import { loadSynthetic, syntheticVector } from "../support/synthetic.ts";
import { latencies } from "../support/timed.ts";

const DIMENSION = 384;
const K = 10;
/** One of so many memories passes each filter. */
const SHARES = [
  { name: "0.1 %", of: 1_000 },
  { name: "1 %", of: 100 },
  { name: "10 %", of: 10 },
  { name: "50 %", of: 2 },
] as const;

type Options = NonNullable<Parameters<Synchronizer["search"]>[1]>;

/** Question: does a search with a filter find k, all of the right ones, and at which price beside one without a filter? */
export const filter: Scenario = {
  name: "filter",
  run: async (context) => [await measure(context)],
};

async function measure(context: BenchContext): Promise<ScenarioResult> {
  const size = context.memories ?? (context.quick ? 5_000 : 100_000);
  const count = context.quick ? 16 : 48;
  const ours = await OurStores.open(context, { dimension: DIMENSION, indexes: { fields: true } });
  try {
    const metadataOf = (number: number) => Object.fromEntries(SHARES.map(({ of }) => [`of${of}`, number % of]));
    await loadSynthetic(ours.sql, context.redisUrl, PREFIX, { dimension: DIMENSION, from: 0, to: size, metadataOf });
    await ours.reopen(); // Its index takes over what is new.
    await ours.verifyCount(size);
    context.log(`${size} memories loaded`);
    const queries = Array.from({ length: count }, (_, at) => benchVector(`query ${at}`, DIMENSION));
    const nearest = exactNearest(queries, size);
    const rows: string[][] = [];
    const row = async (name: string, way: string, of: number, options: Options, part = 1): Promise<void> => {
      await untilQuiet();
      const count = Math.ceil(queries.length * part);
      const found: string[][] = [];
      const ask = async (at: number): Promise<void> => {
        const results = await ours.sync.search(queries[at] as Float32Array, { k: K, ...options });
        found[at] = results.map(({ memory }) => memory.memoryId);
      };
      await latencies(Math.min(4, count), ask); // To warm up.
      const times = await latencies(count, ask);
      const expected = queries.slice(0, count).map((_, at) => nearest(at, of));
      const fewest = Math.min(...found.map((ids) => ids.length));
      verify(fewest === Math.min(K, expected[0]?.length ?? 0), `${name}, ${way}: a search found ${fewest} memories`);
      const recall = found.reduce((sum, ids, at) => sum + ids.filter((id) => expected[at]?.includes(id)).length, 0);
      const recallText = (recall / expected.reduce((sum, ids) => sum + ids.length, 0)).toFixed(3);
      rows.push([name, way, recallText, median(times).toFixed(1), quantile(times, 0.95).toFixed(1)]);
      context.log(`${name}, ${way}: ${median(times).toFixed(1)} ms`);
    };
    await row("all", "no filter", 1, {});
    for (const { name, of } of SHARES) {
      await row(name, "where", of, { where: { [`metadata.of${of}`]: { eq: 0 } } });
      await row(name, "a function, always after", of, { filter: { metadata: { [`of${of}`]: 0 } } }, 0.25);
    }
    return {
      title: `Filtered searches for ${K} of ${size.toLocaleString("en-US")} memories with ${DIMENSION} numbers`,
      method:
        `${count} searches one after the other, a quarter of them by a function, with the index of fields. A flat index of vectors, so each answer is exact; recall is ` +
        `of the ${K} nearest that pass, by comparing all vectors here. \`where\` goes first where few pass, and after where many do.`,
      measures: [],
      targets: [],
      table: { columns: ["memories that pass", "filter", "recall@10", "p50, ms", "p95, ms"], rows },
    };
  } finally {
    await ours.close();
  }
}

/** Ids of the `K` nearest among each `of`th memory, for a query. */
function exactNearest(queries: readonly Float32Array[], size: number): (query: number, of: number) => string[] {
  const scores = queries.map(() => new Float32Array(size));
  for (let number = 0; number < size; number++) {
    const vector = syntheticVector(number, DIMENSION);
    const length = Math.hypot(...vector);
    for (const [at, query] of queries.entries()) {
      let dot = 0;
      for (let index = 0; index < DIMENSION; index++) dot += (query[index] as number) * (vector[index] as number);
      (scores[at] as Float32Array)[number] = dot / length;
    }
  }
  return (query, of) => {
    const passing = Array.from({ length: Math.ceil(size / of) }, (_, at) => at * of);
    const score = scores[query] as Float32Array;
    return passing
      .sort((a, b) => (score[b] as number) - (score[a] as number))
      .slice(0, K)
      .map((number) => `memory-${number}`);
  };
}
