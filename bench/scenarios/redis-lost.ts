import { type FloorHash, floorHash, RedisFloor } from "../floors/redis.ts";
import { formatRatio } from "../harness/format.ts";
import { alternate, type Contender, roundsOf } from "../harness/rounds.ts";
import type { Scenario } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { RATE } from "../support/bulk.ts";
import { chunksOf, inParallel } from "../support/chunks.ts";
import { OurStores, PREFIX, sampleOf } from "../support/our-stores.ts";
import { verify } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { loadSynthetic, syntheticChange } from "../support/synthetic.ts";
import { rate } from "../support/timed.ts";

const DIMENSION = 384;
const WIDTH = 4;

export const redisLost: Scenario = {
  name: "redis-lost",
  run: async (context) => {
    const stored = context.quick ? 10_000 : 100_000;
    const ours = await OurStores.open(context, { dimension: DIMENSION });
    const floor = new RedisFloor(context.redisUrl);
    const numbers = Array.from({ length: stored }, (_, number) => number);
    const hashesOf = (some: readonly number[]): FloorHash[] =>
      some.map((number) => floorHash(syntheticChange(number, DIMENSION, 0)));
    const shares: number[] = [];
    const mine: Contender = {
      name: "mnemosync: found, proven, refilled and read back",
      role: "ours",
      figures: RATE,
      run: async () => {
        await ours.redis.flushall();
        let repaired = 0;
        let checkMs = 0;
        const perSecond = await rate(stored, async () => {
          const startedAt = performance.now();
          const report = await ours.sync.checkConsistency({ stores: ["postgres", "redis"] });
          checkMs = performance.now() - startedAt;
          verify(report.findings.length === stored, `${report.findings.length} of ${stored} are found missing`);
          ({ repaired } = await ours.sync.repairInconsistencies(report));
        });
        shares.push(checkMs / ((stored / perSecond) * 1_000));
        verify(repaired === stored, `${repaired} of ${stored} are repaired`);
        await ours.verifyCount(stored);
        for (const { key, checksum } of hashesOf(sampleOf(numbers, 50))) {
          const held = await ours.redis.hgetall(key.replace("floor:", `${PREFIX}:`));
          verify(held.checksum === checksum, `${key} has checksum ${held.checksum} in Redis`);
        }
        verify((await ours.sync.checkConsistency()).clean, "not clean after the repair");
        return [perSecond];
      },
    };
    const bare: Contender = {
      name: "Redis alone, given the same hashes",
      role: "floor",
      figures: RATE,
      run: async () => {
        const chunks = chunksOf(hashesOf(numbers), 500);
        const perSecond = await rate(stored, () => inParallel(chunks, WIDTH, (chunk) => floor.write(chunk)));
        await floor.verifyHeld(sampleOf(chunks.flat(), 50));
        for (const chunk of chunks) await floor.remove(chunk);
        return [perSecond];
      },
    };
    try {
      await loadSynthetic(ours.sql, context.redisUrl, PREFIX, { dimension: DIMENSION, from: 0, to: stored });
      await ours.reopen(); // Its index takes over what is new.
      await ours.verifyCount(stored);
      context.log(`${stored} memories loaded`);
      const measures = await alternate([mine, bare], {
        rounds: roundsOf(context, 3, 2),
        before: ours.settle,
        onRound: (round) => context.log(`round ${round}`),
      });
      const of = [{ contender: mine.name }, { contender: bare.name }] as const;
      return [
        {
          title: `Redis loses all of ${stored.toLocaleString("en-US")} memories with ${DIMENSION} numbers`,
          method:
            "FLUSHALL, then the time from the beginning of the check to the end of the repair, over which every memory is " +
            "found missing, confirmed under its row's lock, read from PostgreSQL, published and read back. The background " +
            "loop does the same, in portions of `repairsPerPassMax`; the time until its next pass begins is not in this.",
          measures,
          table: { columns: ["share of the check in this", formatRatio(median(shares))], rows: [] },
          targets: [ratioTarget("refilling beside Redis alone", measures, of, "at least", 0.5)],
        },
      ];
    } finally {
      floor.close();
      await ours.close();
    }
  },
};
