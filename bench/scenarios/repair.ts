import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { Scenario } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { RATE } from "../support/bulk.ts";
import { chunksOf } from "../support/chunks.ts";
import { benchMemory } from "../support/dataset.ts";
import { OurStores, PREFIX, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { untilQuiet } from "../support/quiet.ts";
import { verify } from "../support/report.ts";
import { loadSynthetic } from "../support/synthetic.ts";
import { rate } from "../support/timed.ts";

const DIMENSION = 384;
const STALE = "repair of what is older in Redis, its bytes kept";
const BATCH = "syncBatch of as many changed memories";

export const repair: Scenario = {
  name: "repair",
  run: async (context) => {
    const [stored, drifted] = context.quick ? [5_000, 500] : [200_000, 10_000];
    const ours = await OurStores.open(context, { dimension: DIMENSION });
    const numbers = Array.from({ length: drifted }, (_, at) => Math.floor((at * stored) / drifted));
    const keys = numbers.map((number) => `${PREFIX}:memory:default:memory-${number}`);
    let revision = 0;
    const memories = () => numbers.map((number) => benchMemory(number, revision, DIMENSION));
    const write = async (): Promise<void> => {
      revision++;
      verifyOutcomes(await ours.sync.syncBatch(memories()), drifted, "synced");
    };
    const repairOf = (name: string, kind: "missing" | "stale", spoil: () => Promise<unknown>): Contender => ({
      name,
      role: "ours",
      figures: RATE,
      run: async () => {
        await spoil();
        const report = await ours.sync.checkConsistency();
        const found = report.findings.filter((finding) => finding.kind === kind).length;
        verify(found === drifted && report.findings.length === drifted, `${found} of ${drifted} are ${kind}`);
        await untilQuiet();
        let repaired = 0;
        const perSecond = await rate(drifted, async () => {
          ({ repaired } = await ours.sync.repairInconsistencies(report));
        });
        verify(repaired === drifted, `${repaired} of ${drifted} are repaired`);
        verify((await ours.sync.checkConsistency()).clean, "not clean after the repair");
        await ours.verifyHeld(sampleOf(memories()), revision + 1);
        return [perSecond];
      },
    });
    const contenders: Contender[] = [
      repairOf("repair of what is missing in Redis", "missing", async () => {
        for (const chunk of chunksOf(keys, 1_000)) await ours.redis.del(chunk);
      }),
      repairOf(STALE, "stale", async () => {
        const pipeline = ours.redis.pipeline();
        for (const key of keys) pipeline.hset(key, "version", 1, "checksum", "0".repeat(64));
        await pipeline.exec();
      }),
      {
        name: BATCH,
        role: "floor",
        figures: RATE,
        run: async () => {
          revision++;
          const inputs = memories();
          const perSecond = await rate(drifted, async () => {
            verifyOutcomes(await ours.sync.syncBatch(inputs), drifted, "synced");
          });
          await ours.verifyHeld(sampleOf(inputs), revision + 1);
          return [perSecond];
        },
      },
    ];
    try {
      await loadSynthetic(ours.sql, context.redisUrl, PREFIX, { dimension: DIMENSION, from: 0, to: stored });
      await ours.reopen(); // Its index takes over what is new.
      await write(); // From version 2 on, an entry of version 1 is older.
      context.log(`${stored} memories loaded`);
      const measures = await alternate(contenders, {
        ...planRounds(context, 3, 2),
        before: ours.settle,
        onRound: (round) => context.log(`round ${round}`),
      });
      const sizes = [drifted, stored].map((count) => count.toLocaleString("en-US"));
      return [
        {
          title: `${sizes[0]} damaged memories of ${sizes[1]}, ${DIMENSION} numbers each`,
          method:
            "`repairInconsistencies` of what a full check found; the check itself is not timed here. Each repair is verified " +
            "by reading back, and all is clean after it. There is no floor of a store's own: writing as many anew takes its place.",
          measures,
          targets: [
            ratioTarget(
              "repair of what is older beside a batch",
              measures,
              [{ contender: STALE }, { contender: BATCH }],
              "at least",
              0.6,
            ),
          ],
        },
      ];
    } finally {
      await ours.close();
    }
  },
};
