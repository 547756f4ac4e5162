import type postgres from "postgres";
import { scanPostgres } from "../floors/scans.ts";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { BenchContext, ScenarioResult } from "../harness/scenario.ts";
import { verify } from "../support/report.ts";
import { timed } from "../support/timed.ts";
import type { ReplicaPair } from "./pair.ts";

const FIGURES = [{ unit: "s" }] as const;

/** What does a verification of the replica take, beside the scans of both sides alone? */
export async function verification(context: BenchContext, pair: ReplicaPair): Promise<ScenarioResult> {
  const count = context.quick ? 20_000 : 1_000_000;
  await pair.sync.replica.resume();
  await pair.caughtUp();
  const seconds =
    (await timed(() => Promise.all([pair.stores.sql, pair.replica].map((sql) => fill(sql, count))))) / 1_000;
  context.log(`verify: ${count} rows on both sides in ${seconds.toFixed(0)} s`);
  const mine: Contender = {
    name: "replica.verify",
    role: "ours",
    figures: FIGURES,
    run: async () => {
      const ms = await timed(async () => {
        const { clean, checked } = await pair.sync.replica.verify();
        verify(clean && checked >= count, `a verification of ${checked} memories`);
      });
      return [ms / 1_000];
    },
  };
  const scans: Contender = {
    name: "the aggregates of both sides, at the same time",
    role: "floor",
    figures: FIGURES,
    run: async () => [(await timed(() => Promise.all([pair.stores.sql, pair.replica].map(scanPostgres)))) / 1_000],
  };
  const measures = await alternate([mine, scans], {
    ...planRounds(context, 3, 2),
    onRound: (round) => context.log(`verify, round ${round}`),
  });
  return {
    title: `A verification of ${count.toLocaleString("en-US")} memories and more, none of which differs`,
    method:
      "Narrow rows are put into both sides by SQL. A verification digests 65,536 buckets of each side, at the same time.",
    measures,
    targets: [],
  };
}

/** The same narrow rows on each side. */
async function fill(sql: postgres.Sql, count: number): Promise<void> {
  await sql`
    insert into mnemosync.memory_versions
      (namespace, memory_id, version, checksum, digest, bucket, version_vector, has_embedding, created_at, modified_at, tx_id)
    select 'verified', 'memory-' || n, 1, encode(sha256(n::text::bytea), 'hex'), hashint8extended(n, 7), n % 65536, '{"bench":1}', false,
           '2026-01-01', '2026-01-01', 'bench'
    from generate_series(1::bigint, ${count}::bigint) n`;
  await sql.unsafe("vacuum analyze mnemosync.memory_versions"); // As autovacuum would have: index-only scans need it.
}
