import type { MemoryKey } from "../domain/keys.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { hasCome } from "./stored-times.ts";

/** A queue row as operators see it. */
export interface QueueEntry extends MemoryKey {
  readonly store: StoreId;
  readonly nodeId: string;
  readonly state: "pending" | "claimed" | "dead";
  readonly attempts: number;
  readonly enqueuedAt: number;
  readonly nextAttemptAt: number;
  readonly lastError: string | null;
}

/** Queue rows, dead ones first, then the oldest. */
export async function listQueue(sql: Sql, limit: number): Promise<QueueEntry[]> {
  const rows = await sql<
    {
      store: StoreId;
      node_id: string;
      namespace: string;
      memory_id: string;
      state: QueueEntry["state"];
      attempts: number;
      enqueued_at: number;
      next_attempt_at: number;
      last_error: string | null;
    }[]
  >`
    select store, node_id, namespace, memory_id, attempts, last_error,
           case when dead_at is not null then 'dead'
                when claimed_until is null or ${hasCome(sql, sql`claimed_until`)} then 'pending' else 'claimed' end as state,
           extract(epoch from enqueued_at)::float8 * 1000 as enqueued_at,
           extract(epoch from next_attempt_at)::float8 * 1000 as next_attempt_at
    from mnemosync.sync_queue
    order by dead_at is null, enqueued_at
    limit ${limit}`;
  return rows.map((row) => ({
    store: row.store,
    nodeId: row.node_id,
    namespace: row.namespace,
    memoryId: row.memory_id,
    state: row.state,
    attempts: row.attempts,
    enqueuedAt: Math.round(row.enqueued_at),
    nextAttemptAt: Math.round(row.next_attempt_at),
    lastError: row.last_error,
  }));
}
