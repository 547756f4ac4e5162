import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { benchMemories } from "../support/dataset.ts";
import { verifyOutcomes } from "../support/our-stores.ts";
import { rate } from "../support/timed.ts";
import { CopyFloor } from "./copy-floor.ts";
import { DIMENSION, type ReplicaPair } from "./pair.ts";

const WRITING = "syncBatch into all stores, replication paused";
const SENDING = "replication alone, of the same memories";

/** How fast is replication alone, beside the writing of what it replicates, and beside a plain copy? */
export async function replicationRate(context: BenchContext, pair: ReplicaPair): Promise<ScenarioResult> {
  const count = context.quick ? 1_500 : 20_000;
  const copy = await CopyFloor.open(context, pair.stores.postgresUrl);
  const figures = [
    { unit: "memories/s", name: WRITING },
    { unit: "memories/s", name: SENDING },
    ...(copy === null ? [] : [{ unit: "memories/s" as const, name: copy.name }]),
  ] as const;
  // One after the other on the same memories: nobody else takes turns.
  const both: Contender = {
    name: "mnemosync",
    role: "ours",
    figures,
    run: async (turn) => {
      const memories = benchMemories(turn * count, (turn + 1) * count, 0, DIMENSION);
      await pair.pause();
      const written = await rate(count, async () => {
        verifyOutcomes(await pair.sync.syncBatch(memories), count, "synced");
      });
      await pair.stores.settle();
      const sent = await rate(count, async () => {
        await pair.sync.replica.resume();
        await pair.caughtUp();
      });
      await pair.verifyHeld((turn + 1) * count);
      return copy === null ? [written, sent] : [written, sent, await copy.run(count)];
    },
  };
  try {
    const measures = await alternate([both], {
      ...planRounds(context, 5, 2),
      before: pair.stores.settle,
      onRound: (round) => context.log(`rate, round ${round}`),
    });
    const of = (figure: string) => ({ contender: both.name, figure });
    return {
      title: `Replication of ${count.toLocaleString("en-US")} memories with ${DIMENSION} numbers`,
      method:
        "The replica is a PostgreSQL server of its own, on the same machine. Each round pauses replication, writes new memories, " +
        "resumes, and waits until the replica's place is behind the last of them; then all of it is verified. " +
        "The copy is `COPY … TO STDOUT` piped into `COPY … FROM STDIN` by psql, of the same rows into the same schema, as pg_dump and psql do.",
      measures,
      targets: [
        ratioTarget("replication alone beside syncBatch alone", measures, [of(SENDING), of(WRITING)], "at least", 1),
      ],
    };
  } finally {
    await copy?.close();
  }
}
