import type postgres from "postgres";

/** What a restore or an asynchronous failover takes back: data, the outbox and the queue, not the server's own counters. */
const TABLES = ["memory_versions", "memory_bodies", "sync_transactions", "sync_queue", "sync_meta"];

/**
 * Remembers the ledger as it stands. The function that it returns takes the ledger back there, in place: the quickest way
 * to a ledger that has lost its last transactions, while the stores keep theirs.
 */
export async function rememberLedger(sql: postgres.Sql): Promise<() => Promise<void>> {
  await sql.unsafe(
    TABLES.map((table) => `create table public.past_${table} as select * from mnemosync.${table}`).join(";"),
  );
  return async () => {
    const steps = TABLES.flatMap((table) => [
      `delete from mnemosync.${table}`,
      `insert into mnemosync.${table} select * from public.past_${table}`,
      `drop table public.past_${table}`,
    ]);
    // One message is one transaction.
    await sql.unsafe(steps.join(";"));
  };
}
