import type { StoreId } from "../domain/store-id.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";

/** Rows of the queue of one store in one state. */
export interface QueueReading {
  readonly store: StoreId;
  /** `failed`: the last attempt failed, and another follows. `dead`: no more attempts. */
  readonly state: "pending" | "failed" | "dead";
  readonly memories: number;
  /** Seconds that the oldest of them has waited. */
  readonly oldestAgeSeconds: number;
}

/** Figures of the ledger, for gauges. */
export interface LedgerReading {
  readonly queues: readonly QueueReading[];
  readonly transactionsUnpublished: number;
  /** Seconds; 0 when there is none. */
  readonly oldestUnpublishedAgeSeconds: number;
  /** Seconds since 1970; 0 for never. */
  readonly lastCleanCheckSeconds: number;
  /**
   * Seconds for which the oldest writing transaction of the whole server has run: readers of the feed see nothing that
   * was committed since it began. A role without `pg_read_all_stats` sees those of its own and prepared ones only.
   */
  readonly feedHorizonAgeSeconds: number;
  /** Histories that the ledger has had: one more each time that the database was found to have gone back. */
  readonly epochs: number;
}

/** Counts that no index answers alone stop here: a gauge need not be exact beyond. */
const COUNTED_MAX = 1_000_000;

/** One round trip. Of the queues of indexes only this node's is read: other nodes show their own. */
export async function readGauges(sql: Sql, nodeId: string): Promise<LedgerReading> {
  const [row] = await sql<
    {
      queues: QueueReading[] | null;
      unpublished: number;
      oldest: number;
      last_clean: number;
      horizon: number;
      epochs: number;
    }[]
  >`
    select (
             select json_agg(json_build_object('store', store, 'state', state, 'memories', memories, 'oldestAgeSeconds', oldest))
             from (
               select store, state, count(*) as memories,
                      greatest(extract(epoch from clock_timestamp() - min(enqueued_at)), 0)::float8 as oldest
               from (
                 select store, enqueued_at,
                        case when dead_at is not null then 'dead' when attempts > 0 then 'failed' else 'pending' end as state
                 from mnemosync.sync_queue
                 where node_id in ('', ${nodeId})
                 limit ${COUNTED_MAX}
               ) counted
               group by store, state
             ) grouped
           ) as queues,
           t.unpublished, t.oldest,
           coalesce((select extract(epoch from max(last_clean_at)) from mnemosync.check_progress
                     where scope in ('full', 'deep', 'sweep')), 0)::float8 as last_clean,
           greatest(
             (select extract(epoch from clock_timestamp() - min(xact_start)) from pg_stat_activity
              where backend_xid is not null and pid <> pg_backend_pid()),
             (select extract(epoch from clock_timestamp() - min(prepared)) from pg_prepared_xacts),
             0
           )::float8 as horizon,
           (select count(*) from mnemosync.epochs)::int as epochs
    from (
      select count(*)::int as unpublished,
             coalesce(greatest(extract(epoch from clock_timestamp() - min(created_at)), 0), 0)::float8 as oldest
      from (select created_at from mnemosync.sync_transactions where state = 'committed' limit ${COUNTED_MAX}) waiting
    ) t`;
  return {
    queues: row?.queues ?? [],
    transactionsUnpublished: row?.unpublished ?? 0,
    oldestUnpublishedAgeSeconds: row?.oldest ?? 0,
    lastCleanCheckSeconds: row?.last_clean ?? 0,
    feedHorizonAgeSeconds: row?.horizon ?? 0,
    epochs: row?.epochs ?? 0,
  };
}
