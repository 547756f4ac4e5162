import type { MemoryKey } from "../domain/keys.ts";
import type { Backend, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";

/**
 * Confirms the store versions of transactions' memories: every store has them, or has them queued. Leaves out those that
 * another node is just taking over, which confirms them too.
 */
export async function markPublished(sql: Sql, transactionIds: readonly string[]): Promise<void> {
  // Losing this mark in a crash repeats a publish, which is harmless; waiting for the disk would cost every write.
  await sql`
    with relaxed as materialized (select set_config('synchronous_commit', 'off', true)), due as materialized (
      select t.tx_id from relaxed, mnemosync.sync_transactions t
      where t.tx_id = any (${arrayLiteral(transactionIds)}::text::text[]) and t.state = 'committed'
      for update of t skip locked
    )
    update mnemosync.sync_transactions t set state = 'published', published_at = clock_timestamp()
    from due where t.tx_id = due.tx_id`;
}

/** Keeps the reason of a transaction that failed, for operators. It names the memories, which show no trace of it. */
export async function recordRollback(
  sql: Sql,
  transaction: { transactionId: string; nodeId: string; keys: readonly MemoryKey[]; reason: string },
): Promise<void> {
  const [namespaces, memoryIds] = keyLiterals(transaction.keys);
  await sql`
    insert into mnemosync.sync_transactions (tx_id, state, node_id, namespaces, memory_ids, versions, reason)
    values (${transaction.transactionId}, 'rolled_back', ${transaction.nodeId}, ${namespaces}::text::text[],
            ${memoryIds}::text::text[], '{}', ${transaction.reason.slice(0, 2_000)})
    on conflict (tx_id) do nothing`;
}

/**
 * Whether the transaction's row is there: the proof that it was committed. The row is written again, as it is, by a
 * transaction that waits for the disk and for the synchronous standby, as the server is configured. A row that is merely
 * read proves nothing about the standby: another session, or the end of its server process, may have cancelled the wait of
 * the transaction that wrote it. A server that takes no writes refuses this, so a lagging standby is never believed.
 */
export async function confirmCommitted(sql: Sql, transactionId: string): Promise<boolean> {
  const rows = await sql`
    update mnemosync.sync_transactions set tx_id = tx_id
    where tx_id = ${transactionId} and state in ('committed', 'published')
    returning 1`;
  return rows.length === 1;
}

/**
 * Ends the server process behind a connection that was lost, if it still runs. A process that waits for a synchronous
 * standby has committed already and is left to wait: ending it would cancel the wait, and show a transaction that a
 * failover loses.
 * @returns whether it is gone: only then is the outcome of its transaction settled.
 */
export async function fence(sql: Sql, backend: Backend): Promise<boolean> {
  const rows = await sql`
    select case when wait_event is distinct from 'SyncRep' then pg_terminate_backend(pid) end
    from pg_stat_activity
    where pid = ${backend.pid} and extract(epoch from backend_start)::text = ${backend.startedAt}`;
  return rows.length === 0;
}
