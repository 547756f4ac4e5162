import type { FeedCursor } from "../domain/change-source.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";

/*
 * Bodies stand in `memory_bodies`, by version. Those from before migration 19 stand in `unmoved_documents` (of current
 * versions) and `unmoved_history` (replaced versions) until they are moved: a memory has all of its bodies in one of the two
 * places. These fragments read both. Where all is moved, the other place is an empty table, and it is asked only for what has
 * no body.
 */

/** Document and embedding of the current version: the one of a row called v (`namespace`, `memory_id`, `version`). */
export const WIDE_ROW = `(
      select b.memory_id, b.document, b.embedding from mnemosync.memory_bodies b
      where b.namespace = v.namespace and b.memory_id = v.memory_id and b.version = v.version and b.document is not null
      union all
      select u.memory_id, u.document, u.embedding from mnemosync.unmoved_documents u
      where u.namespace = v.namespace and u.memory_id = v.memory_id
      limit 1
    )`;

/** `WIDE_ROW` as a part of a statement. */
export function wideRow(sql: Sql): Fragment {
  return sql.unsafe(WIDE_ROW);
}

/** The versions before that of a row called v, in no order: facts and body of each. */
export function replacedRows(sql: Sql): Fragment {
  return sql`(
      select b.version, b.checksum, b.version_vector, b.modified_at, b.ended_by, b.tx_id, b.document, b.embedding
      from mnemosync.memory_bodies b
      where b.namespace = v.namespace and b.memory_id = v.memory_id and b.version < v.version
      union all
      select u.version, u.checksum, u.version_vector, u.modified_at,
             case when u.checksum is null then 'deleted' end, u.tx_id, u.document, u.embedding
      from mnemosync.unmoved_history u
      where u.namespace = v.namespace and u.memory_id = v.memory_id and u.version < v.version
    )`;
}

/** The reason of an ending, of a row called v; null for a version that is alive. Before migration 19 there was one reason. */
export function endingOf(sql: Sql): Fragment {
  return sql`case when v.checksum is null then coalesce(v.ended_by, 'deleted') end`;
}

/**
 * Version rows with a place in the feed behind `cursor` and below the horizon, `limit` at most, in that order: those of
 * `memory_bodies`, and current rows that are not moved there yet, which stand at the places that they had.
 */
export function feedRows(sql: Sql, cursor: FeedCursor, limit: number): Fragment {
  const columns = sql`namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id, xid, seq`;
  const rows = (table: Fragment) => sql`
      (select ${columns} from ${table} b
       where (b.xid, b.seq) > (${cursor.xid}::text::xid8, ${cursor.seq}::text::bigint)
         and b.xid < pg_snapshot_xmin(pg_current_snapshot())
       order by b.xid, b.seq
       limit ${limit})`;
  return sql`
      select * from (
        ${rows(sql`mnemosync.memory_bodies`)} union all ${rows(sql`mnemosync.memory_versions`)}
      ) both_places
      order by xid, seq
      limit ${limit}`;
}

/**
 * Whether the feed shows a newer version than a row called v: one below the horizon. A newer one above it is not shown yet, so
 * that a memory that is rewritten all the time is told at an earlier version instead of never.
 */
export function isSuperseded(sql: Sql): Fragment {
  return sql`(
      select count(*) > 0 from (
        select from mnemosync.memory_bodies n
        where n.namespace = v.namespace and n.memory_id = v.memory_id and n.version > v.version
          and n.xid < pg_snapshot_xmin(pg_current_snapshot())
        limit 1
      ) newer
    )`;
}
