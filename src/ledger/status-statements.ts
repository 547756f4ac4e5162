import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import { isOlderThan } from "./stored-times.ts";

/** Summary of the ledger: the result of `mnemosync.get_sync_statistics()`. */
export interface SyncStatistics {
  readonly memories: number;
  readonly tombstones: number;
  readonly historyVersions: number;
  /** Committed and not marked yet, most of them for some milliseconds. */
  readonly transactionsUnpublished: number;
  /** Of these, those that a node should have taken over by now. */
  readonly transactionsOverdue: number;
  /** Seconds; null when there is none. */
  readonly oldestUnpublishedAgeSeconds: number | null;
  readonly queuePending: number;
  /** Pending entries with at least one failed attempt. */
  readonly queueFailed: number;
  readonly queueDead: number;
  /** Seconds; null when there is none. */
  readonly oldestQueuedAgeSeconds: number | null;
  readonly conflictsPending: number;
  /** ISO-8601; null when no check ever ended clean. */
  readonly lastCleanCheckAt: string | null;
}

/** @param overdueMs milliseconds after which a transaction without a mark is overdue. */
export async function readStatistics(sql: Sql, overdueMs: number): Promise<SyncStatistics> {
  const [row] = await sql<Record<string, string | number | null>[]>`
    select memories::float8, tombstones::float8, history_versions::float8, transactions_unpublished::float8,
           (select count(*)::float8 from mnemosync.sync_transactions
            where state = 'committed' and ${isOlderThan(sql, sql`created_at`, overdueMs)}) as transactions_overdue,
           oldest_unpublished_age, queue_pending::float8, queue_failed::float8, queue_dead::float8, oldest_queued_age,
           conflicts_pending::float8,
           to_char(last_clean_check_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as last_clean_check_at
    from mnemosync.get_sync_statistics()`;
  const figure = (name: string): number => Number(row?.[name] ?? 0);
  const age = (name: string): number | null => (row?.[name] == null ? null : Number(row[name]));
  return {
    memories: figure("memories"),
    tombstones: figure("tombstones"),
    historyVersions: figure("history_versions"),
    transactionsUnpublished: figure("transactions_unpublished"),
    transactionsOverdue: figure("transactions_overdue"),
    oldestUnpublishedAgeSeconds: age("oldest_unpublished_age"),
    queuePending: figure("queue_pending"),
    queueFailed: figure("queue_failed"),
    queueDead: figure("queue_dead"),
    oldestQueuedAgeSeconds: age("oldest_queued_age"),
    conflictsPending: figure("conflicts_pending"),
    lastCleanCheckAt: row?.last_clean_check_at == null ? null : String(row.last_clean_check_at),
  };
}

/** As `SyncStatistics`, of some namespaces alone. */
export type NamespaceStatistics = Pick<
  SyncStatistics,
  "memories" | "transactionsOverdue" | "queuePending" | "queueFailed" | "queueDead"
>;

/**
 * Counts of some namespaces alone, for a caller that may see no others.
 * @param overdueMs as in `readStatistics`.
 */
export async function readNamespaceStatistics(
  sql: Sql,
  namespaces: readonly string[],
  overdueMs: number,
): Promise<NamespaceStatistics> {
  const wanted = arrayLiteral(namespaces);
  const [row] = await sql<NamespaceStatistics[]>`
    select (select count(*)::float8 from mnemosync.memory_versions
            where namespace = any (${wanted}::text::text[]) and deleted_at is null) as memories,
           (select count(*)::float8 from mnemosync.sync_transactions
            where state = 'committed' and namespaces && ${wanted}::text::text[]
              and ${isOlderThan(sql, sql`created_at`, overdueMs)}) as "transactionsOverdue",
           q.*
    from (
      select count(*) filter (where dead_at is null)::float8 as "queuePending",
             count(*) filter (where dead_at is null and attempts > 0)::float8 as "queueFailed",
             count(*) filter (where dead_at is not null)::float8 as "queueDead"
      from mnemosync.sync_queue where namespace = any (${wanted}::text::text[])
    ) q`;
  return row ?? { memories: 0, transactionsOverdue: 0, queuePending: 0, queueFailed: 0, queueDead: 0 };
}
