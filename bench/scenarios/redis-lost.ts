import { pollUntil } from "../../src/dev/wait.ts";
import { type FloorHash, floorHash, RedisFloor } from "../floors/redis.ts";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { Scenario } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { RATE } from "../support/bulk.ts";
import { chunksOf, inParallel } from "../support/chunks.ts";
import { OurStores, PREFIX, sampleOf } from "../support/our-stores.ts";
import { verify } from "../support/report.ts";
import { loadSynthetic, syntheticChange } from "../support/synthetic.ts";
import { rate } from "../support/timed.ts";

const DIMENSION = 384;
const WIDTH = 4;
const INTERVAL_MS = 500;
const NAMES = { ours: "mnemosync's background loop", floor: "Redis alone, given the same hashes" };

export const redisLost: Scenario = {
  name: "redis-lost",
  run: async (context) => {
    const stored = context.quick ? 10_000 : 100_000;
    const ours = await OurStores.open(context, {
      dimension: DIMENSION,
      consistencyCheckIntervalMs: INTERVAL_MS,
    });
    const floor = new RedisFloor(context.redisUrl);
    const clock = async (): Promise<string> => {
      const [row] = await ours.sql<{ now: string }[]>`select clock_timestamp()::text as now`;
      return row?.now ?? "";
    };
    const isComparedSince = async (from: string): Promise<boolean> => {
      const rows =
        await ours.sql`select 1 from mnemosync.stores where id = 'redis' and compared_at > ${from}::timestamptz`;
      return rows.length > 0;
    };
    const numbers = Array.from({ length: stored }, (_, number) => number);
    const hashesOf = (some: readonly number[]): FloorHash[] =>
      some.map((number) => floorHash(syntheticChange(number, DIMENSION, 0)));
    const mine: Contender = {
      name: NAMES.ours,
      role: "ours",
      figures: [
        { name: "waiting for the pass", unit: "ms" },
        { unit: "memories/s" },
        { name: "with the wait", unit: "memories/s" },
        { name: "and proven by a check", unit: "memories/s" },
      ],
      run: async () => {
        const startedAt = performance.now();
        const from = await clock();
        const elapsedMs = (): number => performance.now() - startedAt;
        const perSecond = (ms: number): number => (stored / ms) * 1_000;
        await ours.redis.flushall();
        // A pass brands the empty store first, and then fills it.
        await until(async () => (await ours.redis.exists(`${PREFIX}:owner`)) === 1);
        const noticedMs = elapsedMs();
        await until(async () => (await ours.redis.dbsize()) >= stored);
        const refilledMs = elapsedMs();
        // Recorded once the compare that follows a loss is through.
        await until(() => isComparedSince(from));
        const provenMs = elapsedMs();
        await ours.verifyCount(stored);
        for (const { key, checksum } of hashesOf(sampleOf(numbers, 50))) {
          const held = await ours.redis.hgetall(key.replace("floor:", `${PREFIX}:`));
          verify(held.checksum === checksum, `${key} has checksum ${held.checksum} in Redis`);
        }
        verify((await ours.sync.checkConsistency()).clean, "not clean after the repair");
        return [noticedMs, perSecond(refilledMs - noticedMs), perSecond(refilledMs), perSecond(provenMs)];
      },
    };
    const bare: Contender = {
      name: NAMES.floor,
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
      const from = await clock();
      ours.sync.start();
      await until(() => isComparedSince(from)); // The loop's first look at a store that it has not seen yet.
      context.log(`${stored} memories loaded`);
      const measures = await alternate([mine, bare], {
        ...planRounds(context, 3, 3),
        before: ours.settle,
        onRound: (round) => context.log(`round ${round}`),
      });
      const of = [{ contender: NAMES.ours }, { contender: NAMES.floor }] as const;
      return [
        {
          title: `Redis loses all of ${stored.toLocaleString("en-US")} memories with ${DIMENSION} numbers`,
          method:
            `FLUSHALL with the background loop running, one pass every ${INTERVAL_MS} ms. First the wait until a pass begins and ` +
            "notices; then the filling alone, until Redis counts all of them again; both together, from before FLUSHALL; and on " +
            "until the check has ended that compares every entry with the ledger. No limit of memories a second is set, as by default.",
          measures,
          targets: [ratioTarget("refilling beside Redis alone", measures, of, "at least", 0.45)],
        },
      ];
    } finally {
      floor.close();
      await ours.close();
    }
  },
};

/** Bounded: a store that is not filled again is a result too. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  await pollUntil("the refilling", 120_000, holds);
}
