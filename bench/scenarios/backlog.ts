import { setTimeout as pause } from "node:timers/promises";
import { startEmbeddedRedis } from "../../src/dev/redis-server.ts";
import { floorHashes, RedisFloor } from "../floors/redis.ts";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { Scenario } from "../harness/scenario.ts";
import { DURABLE, onceForTurn, RATE } from "../support/bulk.ts";
import { chunksOf, inParallel } from "../support/chunks.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { verify } from "../support/report.ts";
import { rate } from "../support/timed.ts";

const DIMENSION = 384;
const WIDTH = 4;
/** Milliseconds without any progress after which a drain has failed. */
const STALLED_MS = 30_000;

export const backlog: Scenario = {
  name: "backlog",
  run: async (context) => {
    const count = context.quick ? 1_500 : 20_000;
    const server = await startEmbeddedRedis(); // Of its own, to be stopped.
    const ours = await OurStores.open({ ...context, redisUrl: server.url }, { dimension: DIMENSION });
    const floor = new RedisFloor(server.url);
    const memoriesOf = onceForTurn((turn) => benchMemories(turn * count, (turn + 1) * count, 0, DIMENSION));
    const mine: Contender = {
      name: "mnemosync, draining what Redis missed",
      role: "ours",
      durable: DURABLE.ours,
      figures: RATE,
      run: async (turn) => {
        await server.stop();
        verifyOutcomes(await ours.sync.syncBatch(memoriesOf(turn)), count, "degraded");
        await server.start();
        await ours.settle();
        const perSecond = await drain(ours, count);
        const { pending, failed, dead } = (await ours.sync.status()).backlog;
        verify(pending + failed + dead === 0, `${pending + failed + dead} are left in the backlog`);
        // Redis began empty: it has what was written while it was away, and nothing else.
        const memories = (await ours.sync.status()).stores.redis?.memories ?? null;
        verify(memories === count, `Redis holds ${memories} memories, not ${count}`);
        await ours.verifyHeld(sampleOf(memoriesOf(turn)), 1);
        return [perSecond];
      },
    };
    const bare: Contender = {
      name: "Redis alone, given the same hashes",
      role: "floor",
      durable: DURABLE.nothing,
      figures: RATE,
      run: async (turn) => {
        const hashes = floorHashes(memoriesOf(turn));
        const chunks = chunksOf(hashes, 500);
        const perSecond = await rate(count, () => inParallel(chunks, WIDTH, (chunk) => floor.write(chunk)));
        await floor.verifyHeld(sampleOf(hashes));
        for (const chunk of chunks) await floor.remove(chunk);
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
          title: `A backlog of ${count.toLocaleString("en-US")} memories with ${DIMENSION} numbers`,
          method:
            "Redis is stopped, all are written (and answered as `degraded`), Redis is started again. Timed from the beginning " +
            "of the first pass of the backlog that publishes something to the end of the last one.",
          measures,
          targets: [],
        },
      ];
    } finally {
      floor.close();
      await ours.close();
      await server.close();
    }
  },
};

/** @returns memories per second. */
async function drain(ours: OurStores, count: number): Promise<number> {
  let startedAt: number | null = null;
  let published = 0;
  let progressAt = performance.now();
  while (published < count) {
    const passAt = performance.now();
    verify(passAt - progressAt < STALLED_MS, `${published} of ${count} were published, and then nothing more`);
    const pass = await ours.sync.backlog.runOnce();
    published += pass.published;
    if (pass.published > 0) {
      startedAt ??= passAt;
      progressAt = performance.now();
    } else {
      await pause(10); // The store is still left out, or what it refused once is not due yet.
    }
  }
  return (count / (performance.now() - (startedAt as number))) * 1_000;
}
