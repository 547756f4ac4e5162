import { floorRows, PostgresFloor } from "../floors/postgres.ts";
import { alternate, type Contender, forDimensions, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { CHUNK } from "../support/bulk.ts";
import { chunksOf, inParallel } from "../support/chunks.ts";
import { type BenchMemory, benchMemories } from "../support/dataset.ts";
import { OurStores, sampleOf, verifyOutcomes } from "../support/our-stores.ts";
import { untilQuiet } from "../support/quiet.ts";

const WIDTH = 4;
const FIGURES = [
  { name: "new", unit: "bytes/memory" },
  { name: "changed", unit: "bytes/memory" },
] as const;

export const wal: Scenario = {
  name: "wal",
  run: (context) => forDimensions(context, measure),
};

async function measure(context: BenchContext, dimension: number): Promise<ScenarioResult> {
  const count = (context.quick ? 1_000 : 10_000) / (dimension > 1_000 ? 2 : 1);
  const ours = await OurStores.open(context, { dimension });
  const floor = new PostgresFloor(await context.newDatabase(), WIDTH);
  await floor.begin();
  const inTurn = (turn: number, revision: number): BenchMemory[] =>
    benchMemories(turn * count, (turn + 1) * count, revision, dimension);
  /** Bytes that the server wrote to its log meanwhile, per memory. */
  const logged = async (work: () => Promise<unknown>): Promise<number> => {
    await untilQuiet();
    const [before] = await ours.sql<{ at: string }[]>`select pg_current_wal_insert_lsn()::text as at`;
    await work();
    const [row] = await ours.sql<{ bytes: string }[]>`
      select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), ${before?.at ?? ""}::text::pg_lsn) as bytes`;
    return Number(row?.bytes) / count;
  };
  const mine: Contender = {
    name: "mnemosync",
    role: "ours",
    figures: FIGURES,
    run: async (turn) => {
      const bytes: number[] = [];
      for (const revision of [0, 1]) {
        const memories = inTurn(turn, revision);
        bytes.push(await logged(async () => verifyOutcomes(await ours.sync.syncBatch(memories), count, "synced")));
        await ours.verifyCount((turn + 1) * count);
        await ours.verifyHeld(sampleOf(memories), revision + 1);
      }
      return bytes;
    },
  };
  const bare: Contender = {
    name: "PostgreSQL alone",
    role: "floor",
    figures: FIGURES,
    run: async (turn) => {
      const bytes: number[] = [];
      for (const revision of [0, 1]) {
        const rows = floorRows(inTurn(turn, revision));
        const chunks = chunksOf(rows, CHUNK);
        bytes.push(await logged(() => inParallel(chunks, WIDTH, (chunk) => floor.upsert(chunk))));
        await floor.verifyHeld(sampleOf(rows), (turn + 1) * count);
      }
      return bytes;
    },
  };
  try {
    const measures = await alternate([mine, bare], {
      ...planRounds(context, 3, 2),
      onRound: (round) => context.log(`${dimension}-d, round ${round}`),
    });
    return {
      title: `Write-ahead log for ${count.toLocaleString("en-US")} memories with ${dimension} numbers`,
      method:
        `What PostgreSQL writes to its log, whose syncing bounds every durable write: the vector alone has ${dimension * 4} ` +
        "bytes. No checkpoint in between, so whole pages are logged for neither more often than usual.",
      measures,
      targets: [],
    };
  } finally {
    await floor.close();
    await ours.close();
  }
}
