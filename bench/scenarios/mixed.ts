import { floorRows, PostgresFloor } from "../floors/postgres.ts";
import { RedisFloor } from "../floors/redis.ts";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { Scenario } from "../harness/scenario.ts";
import { DURABLE } from "../support/bulk.ts";
import { chunksOf, inParallel } from "../support/chunks.ts";
import { benchMemories, benchMemory } from "../support/dataset.ts";
import { OurStores, PREFIX, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { verify } from "../support/report.ts";
import { rate } from "../support/timed.ts";

const DIMENSION = 384;
const CALLERS = 32;
/** One write in so many operations. */
const WRITE_EVERY = 5;
const FIGURES = [{ unit: "operations/s" }] as const;

export const mixed: Scenario = {
  name: "mixed",
  run: async (context) => {
    const [stored, operations] = context.quick ? [2_000, 2_000] : [10_000, 25_000];
    const ours = await OurStores.open(context, { dimension: DIMENSION });
    const postgres = new PostgresFloor(await context.newDatabase(), CALLERS);
    const redis = new RedisFloor(context.redisUrl);
    const all = benchMemories(0, stored, 0, DIMENSION);
    const numbers = Array.from({ length: operations }, (_, at) => at);
    // Every write of a turn is of another memory, and the same ones are written in each.
    const written = numbers.filter((at) => at % WRITE_EVERY === 0).map((at) => at / WRITE_EVERY);
    const readId = (at: number): string => `memory-${(at * 7_919) % stored}`;
    const mine: Contender = {
      name: "mnemosync",
      role: "ours",
      durable: DURABLE.ours,
      figures: FIGURES,
      run: async (turn) => {
        const memories = written.map((number) => benchMemory(number, turn + 1, DIMENSION));
        const outcomes: Awaited<ReturnType<typeof ours.sync.syncMemory>>[] = [];
        let wrong = 0;
        const perSecond = await rate(operations, () =>
          inParallel(numbers, CALLERS, async (at) => {
            if (at % WRITE_EVERY === 0) {
              const { memoryId, ...fields } = memories[at / WRITE_EVERY] as (typeof memories)[number];
              outcomes.push(await ours.sync.syncMemory(memoryId, fields));
            } else if ((await ours.sync.get(readId(at)))?.memoryId !== readId(at)) wrong++;
          }),
        );
        verify(wrong === 0, `${wrong} reads found something else than what was asked for`);
        verifyOutcomes(outcomes, written.length, "synced");
        await ours.verifyCount(stored);
        await ours.verifyHeld(sampleOf(memories), turn + 2);
        return [perSecond];
      },
    };
    const bare: Contender = {
      name: "reads from Redis alone, writes to PostgreSQL alone",
      role: "floor",
      durable: DURABLE.postgres,
      figures: FIGURES,
      run: async (turn) => {
        const rows = floorRows(written.map((number) => benchMemory(number, turn + 1, DIMENSION)));
        let wrong = 0;
        const perSecond = await rate(operations, () =>
          inParallel(numbers, CALLERS, async (at) => {
            if (at % WRITE_EVERY === 0) await postgres.commitOne(rows[at / WRITE_EVERY] as (typeof rows)[number]);
            else if ((await redis.read(`${PREFIX}:memory:default:${readId(at)}`)).data === undefined) wrong++;
          }),
        );
        verify(wrong === 0, `${wrong} reads of the floor found nothing`);
        await postgres.verifyHeld(sampleOf(rows), stored);
        return [perSecond];
      },
    };
    try {
      await postgres.begin();
      for (const chunk of chunksOf(floorRows(all), 500)) await postgres.upsert(chunk);
      verifyOutcomes(await ours.sync.syncBatch(all), stored, "synced");
      const measures = await alternate([mine, bare], {
        ...planRounds(context, 5, 2),
        before: ours.settle,
        onRound: (round) => context.log(`round ${round}`),
      });
      return [
        {
          title: `${operations.toLocaleString("en-US")} operations of ${CALLERS} callers: four reads for each write`,
          method:
            `Over ${stored.toLocaleString("en-US")} memories of ${DIMENSION} numbers. The floor reads raw hashes and commits ` +
            "each row by itself: its copies are not kept equal.",
          measures,
          targets: [],
        },
      ];
    } finally {
      redis.close();
      await postgres.close();
      await ours.close();
    }
  },
};
