import { floorRows, PostgresFloor } from "../floors/postgres.ts";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { Scenario } from "../harness/scenario.ts";
import { onceForTurn, RATE } from "../support/bulk.ts";
import { chunksOf, inParallel } from "../support/chunks.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { verify } from "../support/report.ts";
import { rate } from "../support/timed.ts";

const DIMENSION = 384;
const CALLERS = 256;
const WIDTH = 4;

export const remove: Scenario = {
  name: "delete",
  run: async (context) => {
    const count = context.quick ? 2_000 : 10_000;
    const memoriesOf = onceForTurn((turn) => benchMemories(turn * count, (turn + 1) * count, 0, DIMENSION));
    const ours = await OurStores.open(context, { dimension: DIMENSION });
    const floor = new PostgresFloor(await context.newDatabase(), WIDTH);
    await floor.begin();
    const mine: Contender = {
      name: `mnemosync, ${CALLERS} callers of delete at once`,
      role: "ours",
      durable: "deletions, versions, history",
      figures: RATE,
      run: async (turn) => {
        const memories = memoriesOf(turn);
        verifyOutcomes(await ours.sync.syncBatch(memories), count, "synced");
        await ours.settle();
        const outcomes: Awaited<ReturnType<typeof ours.sync.delete>>[] = [];
        const perSecond = await rate(count, () =>
          inParallel(memories, CALLERS, async ({ memoryId }) => {
            outcomes.push(await ours.sync.delete(memoryId));
          }),
        );
        verifyOutcomes(outcomes, count, "synced");
        await ours.verifyCount(0);
        for (const { memoryId, embedding } of sampleOf(memories)) {
          verify((await ours.sync.get(memoryId)) === null, `${memoryId} is still there`);
          verify((await ours.sync.search(embedding, { k: 1 })).length === 0, `${memoryId} is still found`);
        }
        return [perSecond];
      },
    };
    const bare: Contender = {
      name: `PostgreSQL alone, ${WIDTH} chunks of 500 at a time`,
      role: "floor",
      durable: "deletions",
      figures: RATE,
      run: async (turn) => {
        const chunks = chunksOf(floorRows(memoriesOf(turn)), 500);
        for (const chunk of chunks) await floor.upsert(chunk);
        await ours.settle();
        const perSecond = await rate(count, () => inParallel(chunks, WIDTH, (chunk) => floor.remove(chunk)));
        await floor.verifyHeld([], 0);
        return [perSecond];
      },
    };
    try {
      const measures = await alternate([mine, bare], {
        ...planRounds(context, 5, 2),
        before: ours.settle,
        onRound: (round) => context.log(`round ${round}`),
      });
      return [
        {
          title: `${count.toLocaleString("en-US")} deletes`,
          method:
            "Each caller awaits its delete before the next. Ours keeps what was deleted as history, with a tombstone in " +
            "each store; the floor deletes rows in bulk and keeps nothing.",
          measures,
          targets: [],
        },
      ];
    } finally {
      await floor.close();
      await ours.close();
    }
  },
};
