import { join } from "node:path";
import { projectVector } from "../../src/stores/faiss/protocol/metric.ts";
import { FaissFloor } from "../floors/faiss.ts";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { Scenario } from "../harness/scenario.ts";
import { chunksOf } from "../support/chunks.ts";
import { benchMemories } from "../support/dataset.ts";
import { OurStores, PREFIX, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { untilQuiet } from "../support/quiet.ts";
import { verify } from "../support/report.ts";
import { loadSynthetic, syntheticVector } from "../support/synthetic.ts";
import { timed } from "../support/timed.ts";

const DIMENSION = 384;
/** Changed memories that `close` has to save. */
const CHANGED = 500;

export const restart: Scenario = {
  name: "restart",
  run: async (context) => {
    const stored = context.quick ? 5_000 : 100_000;
    const ours = await OurStores.open(context, { dimension: DIMENSION });
    const floor = new FaissFloor(DIMENSION);
    const file = join(await context.newDirectory(), "flat");
    const mine: Contender = {
      name: "mnemosync",
      role: "ours",
      figures: [
        { name: "close", unit: "s" },
        { name: "connect", unit: "s" },
      ],
      run: async (turn) => {
        const memories = benchMemories(0, CHANGED, turn, DIMENSION);
        verifyOutcomes(await ours.sync.syncBatch(memories), CHANGED, "synced");
        await untilQuiet();
        const closing = await timed(() => ours.disconnect());
        const connecting = await timed(() => ours.connect());
        await ours.verifyCount(stored);
        await ours.verifyHeld(sampleOf(memories), turn + 2);
        return [closing / 1_000, connecting / 1_000];
      },
    };
    const bare: Contender = {
      name: "FAISS alone, reading a file",
      role: "floor",
      figures: [{ name: "connect", unit: "s" }],
      run: async () => {
        let rows = 0;
        const ms = await timed(async () => {
          rows = floor.load(file);
        });
        verify(rows === stored, `the floor read ${rows} of ${stored} vectors`);
        return [ms / 1_000];
      },
    };
    try {
      const numbers = Array.from({ length: stored }, (_, number) => number);
      for (const chunk of chunksOf(numbers, 2_000)) {
        floor.add(chunk.map((number) => projectVector("cosine", syntheticVector(number, DIMENSION))));
      }
      floor.save(file);
      await loadSynthetic(ours.sql, context.redisUrl, PREFIX, { dimension: DIMENSION, from: 0, to: stored });
      await ours.reopen(); // Its index takes over what is new.
      context.log(`${stored} memories loaded`);
      const measures = await alternate([mine, bare], {
        ...planRounds(context, 5, 2),
        before: ours.settle,
        onRound: (round) => context.log(`round ${round}`),
      });
      return [
        {
          title: `${stored.toLocaleString("en-US")} memories with ${DIMENSION} numbers`,
          method:
            `\`close\` after ${CHANGED} changes, with the index saved; then \`connect\` until it can be searched: both servers, the schema, the index's process, its snapshot ` +
            "with every file's SHA-256 checked, and what happened since.",
          measures,
          targets: [],
        },
      ];
    } finally {
      floor.close();
      await ours.close();
    }
  },
};
