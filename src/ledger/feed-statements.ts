import type { FeedCursor, FeedPage } from "../domain/change-source.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";

/** Names the history that feed cursors belong to. */
export async function readEpoch(sql: Sql): Promise<string> {
  const [row] = await sql<{ value: string }[]>`select value from mnemosync.sync_meta where name = 'store_epoch'`;
  return row?.value ?? "";
}

/**
 * Memories that changed behind `cursor`, oldest first. Only transactions below the oldest running one are shown:
 * sequence numbers are given out before the commit, so a reader that went by them alone would miss late committers.
 */
export async function readFeed(sql: Sql, cursor: FeedCursor, limit: number): Promise<FeedPage> {
  const rows = await sql<
    { namespace: string; memory_id: string; version: number; deleted: boolean; xid: string; seq: string }[]
  >`
    select namespace, memory_id, version::float8 as version, checksum is null as deleted, xid::text as xid, seq::text as seq
    from mnemosync.memory_versions
    where (xid, seq) > (${cursor.xid}::text::xid8, ${cursor.seq}::text::bigint)
      and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by memory_versions.xid, memory_versions.seq
    limit ${limit}`;
  const last = rows.at(-1);
  return {
    headers: rows.map((row) => ({
      namespace: row.namespace,
      memoryId: row.memory_id,
      version: row.version,
      deleted: row.deleted,
    })),
    cursor: last === undefined ? cursor : { xid: last.xid, seq: last.seq },
  };
}

/** Signals travel on this channel; those of one database share it. */
export const FEED_CHANNEL = "mnemosync_feed";

/** Wakes the readers that listen. Without a payload: equal signals of one transaction are one, and the feed says the rest. */
export async function signalFeed(sql: Sql): Promise<void> {
  await sql`select pg_notify(${FEED_CHANNEL}, '')`;
}

/** The connection hears signals from now on. */
export async function beginListening(sql: Sql): Promise<void> {
  await sql`listen mnemosync_feed`;
}
