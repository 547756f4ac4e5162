import type { ConsistencyReport } from "../../src/index.ts";
import { scanPostgres, scanRedis } from "../floors/scans.ts";
import { alternate, type Contender, forEach, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Measure, Point, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { medianOf } from "../harness/targets.ts";
import { type Cost, measured } from "../support/measure.ts";
import { OurStores, PREFIX, verifyOutcomes } from "../support/our-stores.ts";
import { untilQuiet } from "../support/quiet.ts";
import { verify } from "../support/report.ts";
import { loadSynthetic } from "../support/synthetic.ts";
import { timed } from "../support/timed.ts";

/** Numbers per vector: a check's cost does not depend on it, unless it is a deep one, and a million have to fit. */
const DIMENSION = 8;
const DRIFTED = 100;
const CHANGED = 1_000;
const NAMES = {
  full: "full check",
  deep: "deep check",
  redis: "Redis's own scan",
  postgres: "PostgreSQL's own aggregate",
};

export const check: Scenario = {
  name: "check",
  run: async (context) => {
    const sizes = context.quick ? [4_000, 12_000] : [10_000, 100_000, 1_000_000];
    const ours = await OurStores.open(context, { dimension: DIMENSION });
    let results: ScenarioResult[];
    try {
      results = await forEach(context, sizes, async (part, size, index) => {
        const seconds = await grow(context, ours, sizes[index - 1] ?? 0, size);
        context.log(`${size} memories loaded in ${seconds.toFixed(0)} s`);
        return await measure(part, ours, size, index === sizes.length - 1);
      });
    } finally {
      await ours.close();
    }
    return [...results, overview(sizes, results)];
  },
};

/** @returns seconds. */
async function grow(context: BenchContext, ours: OurStores, from: number, to: number): Promise<number> {
  const ms = await timed(async () => {
    await loadSynthetic(ours.sql, context.redisUrl, PREFIX, { dimension: DIMENSION, from, to });
    await ours.reopen(); // Its index takes over what is new.
  });
  verify((await ours.sync.checkConsistency()).clean, "the stores are not clean before anything was measured");
  return ms / 1_000;
}

/** @param largest whether the promise is about this size: below it, what every check costs weighs more than the scan. */
async function measure(
  context: BenchContext,
  ours: OurStores,
  size: number,
  largest: boolean,
): Promise<ScenarioResult> {
  const costs: Cost<ConsistencyReport>[] = [];
  const figures = [{ unit: "s" }] as const;
  const checkOf = (scope: "full" | "deep"): Contender => ({
    name: NAMES[scope],
    role: "ours",
    figures,
    run: async () => {
      const cost = await measured(() => ours.sync.checkConsistency({ scope }));
      verify(cost.result.clean && cost.result.checked === size, `a ${scope} check of ${cost.result.checked} memories`);
      if (scope === "full") costs.push(cost);
      return [cost.ms / 1_000];
    },
  });
  const scanOf = (store: "redis" | "postgres", scan: () => Promise<number>): Contender => ({
    name: NAMES[store],
    role: "floor",
    figures,
    run: async () => {
      let found = 0;
      const ms = await timed(async () => {
        found = await scan();
      });
      // Redis may name a key twice while it grows or shrinks its table.
      verify(store === "redis" ? found >= size : found === size, `${NAMES[store]} found ${found} of ${size}`);
      return [ms / 1_000];
    },
  });
  const measures = await alternate(
    [
      checkOf("full"),
      scanOf("redis", () => scanRedis(ours.redis, PREFIX)),
      scanOf("postgres", () => scanPostgres(ours.sql)),
      // A minute and more for a million: the sizes below tell as much.
      ...(size > (context.quick ? 4_000 : 100_000) ? [] : [checkOf("deep")]),
    ],
    {
      ...planRounds(context, size > 100_000 ? 3 : 5, 3),
      before: async () => void (await untilQuiet()),
      onRound: (round) => context.log(`${size}, round ${round}`),
    },
  );
  const slowest = Math.max(...[NAMES.redis, NAMES.postgres].map((contender) => medianOf(measures, { contender })));
  const ratio = medianOf(measures, { contender: NAMES.full }) / slowest;
  const drift = await withDrift(ours);
  const quick = await quickChecks(ours, size);
  const worst = (pick: (cost: Cost<unknown>) => number): string => Math.max(...costs.map(pick)).toFixed(0);
  return {
    title: `${size.toLocaleString("en-US")} memories`,
    method:
      "The floors are what a store alone takes to say what it holds: Redis a script call per page of keys that answers " +
      "version and checksum, PostgreSQL the aggregate of its narrow table. A full check compares all three stores both ways.",
    measures,
    targets: largest
      ? [{ what: "a full check beside the slowest store's own scan", ratio, bound: 1.2, kind: "at most" }]
      : [],
    table: {
      columns: ["besides", ""],
      rows: [
        [`full check that proves ${DRIFTED} differences`, `${(drift / 1_000).toFixed(2)} s`],
        [`quick check of ${CHANGED} changes`, `${(quick / 1_000).toFixed(2)} s`],
        ["timers late during a full check, at worst", `${worst(({ loopMaxMs }) => loopMaxMs)} ms`],
        ["growth of the resident set during a full check", `${worst(({ rssGrowthMiB }) => rssGrowthMiB)} MiB`],
      ],
    },
  };
}

/** @returns milliseconds of a full check that proves them all. */
async function withDrift(ours: OurStores): Promise<number> {
  const drifted = Array.from({ length: DRIFTED }, (_, at) => `${PREFIX}:memory:default:memory-${at * 7}`);
  for (const key of drifted) await ours.redis.hset(key, "checksum", "0".repeat(64));
  const found = await measured(() => ours.sync.checkConsistency());
  verify(found.result.findings.length === DRIFTED, `${found.result.findings.length} of ${DRIFTED} differences found`);
  const { repaired } = await ours.sync.repairInconsistencies(found.result);
  verify(repaired === DRIFTED, `${repaired} of ${DRIFTED} differences repaired`);
  return found.ms;
}

/** @returns milliseconds of a quick check of the changes since the one before. */
async function quickChecks(ours: OurStores, size: number): Promise<number> {
  await ours.sync.checkConsistency({ scope: "quick" });
  const changes = Array.from({ length: CHANGED }, (_, at) => ({
    memoryId: `memory-${at * 3}`,
    content: `changed at ${size}`,
    memoryType: "episodic",
  }));
  verifyOutcomes(await ours.sync.syncBatch(changes), CHANGED, "synced");
  const quick = await measured(() => ours.sync.checkConsistency({ scope: "quick" }));
  verify(quick.result.clean && quick.result.checked === CHANGED, `a quick check of ${quick.result.checked} memories`);
  return quick.ms;
}

function overview(sizes: readonly number[], results: readonly ScenarioResult[]): ScenarioResult {
  const pointsOf = (contender: string): Point[] =>
    results.flatMap(({ measures }, at): Point[] => {
      const known = measures.some((measure: Measure) => measure.contender === contender);
      return known ? [[sizes[at] as number, medianOf(measures, { contender })]] : [];
    });
  const series = (contender: string, role: "ours" | "floor") => ({
    name: contender,
    role,
    points: pointsOf(contender),
  });
  return {
    title: "How a check grows",
    method: "The medians of the sizes above.",
    measures: [],
    targets: [],
    lines: {
      x: "memories stored",
      y: "seconds",
      series: [
        series(NAMES.full, "ours"),
        series(NAMES.deep, "ours"),
        series(NAMES.redis, "floor"),
        series(NAMES.postgres, "floor"),
      ],
    },
  };
}
