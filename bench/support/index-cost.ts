import type { BenchContext, FreeTable, ScenarioResult } from "../harness/scenario.ts";
import { benchMemories } from "./dataset.ts";
import { type OurSettings, OurStores, verifyOutcomes } from "./our-stores.ts";
import { ProcessorTime, rateWithProcessor } from "./processor-time.ts";
import { untilQuiet } from "./quiet.ts";
import { median } from "./statistics.ts";

const DIMENSION = 384;

/** A ledger with some of the optional indexes. */
export interface IndexedLedger {
  readonly name: string;
  readonly indexes: NonNullable<OurSettings["indexes"]>;
}

/** What writes pay for indexes, by turns of ledgers that have them or not. */
export async function indexCost(
  context: BenchContext,
  { title, ledgers, rewrites }: { title: string; ledgers: readonly IndexedLedger[]; rewrites: boolean },
): Promise<ScenarioResult> {
  const count = context.quick ? 1_000 : 5_000;
  const processor = new ProcessorTime();
  const logged = new Map<string, number[]>();
  const contenders: { name: string; ours: OurStores }[] = [];
  try {
    for (const [at, { name, indexes }] of ledgers.entries()) {
      const settings = { dimension: DIMENSION, redisPrefix: `ledger-${at}`, indexes };
      contenders.push({ name, ours: await OurStores.open(context, settings) });
    }
    // A round that is a warm-up, one that counts, and more where there is time.
    for (let turn = 0; turn < 2 || (turn <= (context.rounds ?? 4) && context.budget.remainingMs > 0); turn++) {
      for (const revision of rewrites ? [0, 1] : [0]) {
        const memories = benchMemories(turn * count, (turn + 1) * count, revision, DIMENSION);
        for (const contender of turn % 2 === 0 ? contenders : contenders.toReversed()) {
          const { ours } = contender;
          const name = rewrites ? `${contender.name}: ${revision === 0 ? "new" : "rewritten"}` : contender.name;
          await untilQuiet();
          const before = await logPlace(ours);
          await rateWithProcessor(name, count, turn === 0 ? undefined : processor, async () => {
            verifyOutcomes(await ours.sync.syncBatch(memories), count, "synced");
          });
          const bytes = (await logPlace(ours)) - before;
          if (turn > 0) logged.set(name, [...(logged.get(name) ?? []), Number(bytes) / count]);
        }
      }
      context.log(`cost of the indexes, round ${turn}`);
    }
  } finally {
    for (const { ours } of contenders) await ours.close();
  }
  return {
    title,
    method:
      `Batches of ${count.toLocaleString("en-US")} memories of 28 words and ${DIMENSION} numbers` +
      `${rewrites ? ", new ones and then with other contents" : ", all new"}; medians; the first round is a warm-up.`,
    measures: [],
    targets: [],
    table: withLog(processor.table(), logged),
  };
}

async function logPlace(ours: OurStores): Promise<bigint> {
  const [row] = await ours.sql<{ bytes: string }[]>`
    select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text as bytes`;
  return BigInt(row?.bytes ?? "0");
}

function withLog({ columns, rows }: FreeTable, logged: ReadonlyMap<string, readonly number[]>): FreeTable {
  return {
    columns: [...columns, "write-ahead log, bytes per memory"],
    rows: rows.map((row) => [...row, median(logged.get(row[0] ?? "") ?? []).toFixed(0)]),
  };
}
