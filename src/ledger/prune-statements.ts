import { FEED_START, type FeedCursor } from "../domain/change-source.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";

/** In `sync_meta`: the epoch, and the place in the feed up to which history was pruned. */
const HISTORY_PRUNED_THROUGH = "history_pruned_through";

/** The result of one batch of pruning. */
export interface PrunedHistory {
  /** Replaced versions that were deleted. */
  readonly pruned: number;
  /** Whether versions are left that the batch did not look at. */
  readonly more: boolean;
}

/**
 * Deletes replaced versions beyond `historyVersionsMax` per memory. Follows the feed: each version is looked at once, when
 * it is below the horizon, and makes room for itself among those before it; so the latest version below the horizon always
 * stays, and a memory that is rewritten all the time is never without one. One process at a time does it; another one that
 * finds it at work does nothing.
 * @param limit versions that are looked at.
 */
export async function pruneHistory(sql: Sql, historyVersionsMax: number, limit: number): Promise<PrunedHistory> {
  await sql`begin`;
  const [meta] = await sql<{ place: string; epoch: string }[]>`
    select p.value as place, (select value from mnemosync.sync_meta where name = 'store_epoch') as epoch
    from mnemosync.sync_meta p where p.name = ${HISTORY_PRUNED_THROUGH}
    for update of p skip locked`;
  if (meta === undefined) {
    await sql`rollback`;
    return { pruned: 0, more: false };
  }
  const place = placeIn(meta.place, meta.epoch);
  const [row] = await sql<{ looked: number; pruned: number }[]>`
    with looked as materialized (
      select b.namespace, b.memory_id, b.version, b.xid, b.seq from mnemosync.memory_bodies b
      where (b.xid, b.seq) > (${place.xid}::text::xid8, ${place.seq}::text::bigint)
        and b.xid < pg_snapshot_xmin(pg_current_snapshot())
      order by b.xid, b.seq
      limit ${limit}
    ), gone as (
      delete from mnemosync.memory_bodies where ctid = any (array(
        select o.ctid from looked l cross join lateral (
          select o.ctid from mnemosync.memory_bodies o
          where o.namespace = l.namespace and o.memory_id = l.memory_id
            and o.version < l.version - ${historyVersionsMax}::bigint offset 0
        ) o
        where l.version > ${historyVersionsMax}::bigint + 1
      ))
      returning 1
    ), noted as (
      update mnemosync.sync_meta m set value = ${meta.epoch} || ' ' || l.xid || ' ' || l.seq
      from (select xid, seq from looked order by xid desc, seq desc limit 1) l
      where m.name = ${HISTORY_PRUNED_THROUGH}
    )
    select (select count(*)::int from looked) as looked, (select count(*)::int from gone) as pruned`;
  await sql`commit`;
  return { pruned: row?.pruned ?? 0, more: row?.looked === limit };
}

/** A place of another epoch is none: rows may have been given places below it since. */
function placeIn(value: string, epoch: string): FeedCursor {
  const [ofEpoch, xid, seq] = value.split(" ");
  return ofEpoch === epoch && xid !== undefined && seq !== undefined ? { xid, seq } : FEED_START;
}
