import { readFileSync } from "node:fs";
import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { benchMemories } from "./dataset.ts";
import { type OurSettings, OurStores, verifyOutcomes } from "./our-stores.ts";
import { untilQuiet } from "./quiet.ts";
import { median } from "./statistics.ts";

const DIMENSION = 384;

/** A ledger with some of the optional indexes. */
export interface IndexedLedger {
  readonly name: string;
  readonly indexes: NonNullable<OurSettings["indexes"]>;
}

/** What one memory cost, by turn. */
interface Spent {
  readonly program: number[];
  readonly postgres: number[];
  readonly logged: number[];
}

/** What writes pay for indexes, by turns of ledgers that have them or not. */
export async function indexCost(
  context: BenchContext,
  { title, ledgers, rewrites }: { title: string; ledgers: readonly IndexedLedger[]; rewrites: boolean },
): Promise<ScenarioResult> {
  const count = context.quick ? 1_000 : 5_000;
  const spent = new Map<string, Spent>();
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
        for (const { name, ours } of turn % 2 === 0 ? contenders : contenders.toReversed()) {
          await untilQuiet();
          const before = await account(ours);
          verifyOutcomes(await ours.sync.syncBatch(memories), count, "synced");
          const after = await account(ours);
          if (turn === 0) continue;
          const row = rewrites ? `${name}: ${revision === 0 ? "new" : "rewritten"}` : name;
          const all = spent.get(row) ?? { program: [], postgres: [], logged: [] };
          for (const part of ["program", "postgres", "logged"] as const) {
            all[part].push((after[part] - before[part]) / count);
          }
          spent.set(row, all);
        }
      }
      context.log(`cost of the indexes, round ${turn}`);
    }
  } finally {
    for (const { ours } of contenders) await ours.close();
  }
  const rows = ledgers.flatMap(({ name }) => (rewrites ? [`${name}: new`, `${name}: rewritten`] : [name]));
  return {
    title,
    method:
      `Batches of ${count.toLocaleString("en-US")} memories of 28 words and ${DIMENSION} numbers` +
      `${rewrites ? ", new ones and then with other contents" : ", all new"}; medians; the first round is a warm-up. ` +
      "Of PostgreSQL the server processes of the ledger's own connections count, and neither autovacuum nor the checkpointer.",
    measures: [],
    targets: [],
    table: {
      columns: ["per memory", "program, µs of processor", "PostgreSQL, µs of processor", "write-ahead log, bytes"],
      rows: rows.map((row) => {
        const all = spent.get(row) ?? { program: [], postgres: [], logged: [] };
        return [row, ...[all.program, all.postgres, all.logged].map((values) => median(values).toFixed(0))];
      }),
    },
  };
}

/** Microseconds of processor time of this process and of the ledger's connections, and bytes of the log, so far. */
async function account({ sql }: OurStores): Promise<{ program: number; postgres: number; logged: number }> {
  const backends = await sql<{ pid: number; logged: string }[]>`
    select pid, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text as logged
    from pg_stat_activity where datname = current_database() and backend_type = 'client backend'`;
  const { user, system } = process.cpuUsage();
  return {
    program: user + system,
    postgres: backends.reduce((sum, { pid }) => sum + runMicroseconds(pid), 0),
    logged: Number(backends[0]?.logged ?? 0),
  };
}

function runMicroseconds(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[0]) / 1_000;
}
