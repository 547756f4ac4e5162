import type { FeedCursor } from "../domain/change-source.ts";
import type { MemoryKey } from "../domain/keys.ts";
import { VERSION_MAX } from "../domain/version-vector.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { keyLiterals } from "./arrays.ts";
import { withoutTimeouts } from "./without-timeouts.ts";

/**
 * Moves all versions of `keys` from the tables of before migration 19 to `memory_bodies`, and their places in the feed with
 * them. Does nothing for memories that are moved. Their narrow rows must be locked.
 *
 * A narrow row with numbers beyond the caps of migration 16 cannot be written, not even as it is: it keeps its mark, and the
 * write that replaces it takes the mark away.
 * @returns memories that were moved.
 */
export async function moveBodies(sql: Sql, keys: readonly MemoryKey[]): Promise<number> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  const [row] = await sql<{ moved: number }[]>`
    with moving as materialized (
      select v.* from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
      cross join lateral (
        select namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id, xid,
               seq
        from mnemosync.memory_versions
        where namespace = k.namespace and memory_id = k.memory_id and xid is not null offset 0
      ) v
    ), documents as materialized (
      select u.ctid as place, u.* from moving v cross join lateral (
        select ctid, * from mnemosync.unmoved_documents
        where namespace = v.namespace and memory_id = v.memory_id offset 0
      ) u
    ), history as materialized (
      select u.ctid as place, u.* from moving v cross join lateral (
        select ctid, * from mnemosync.unmoved_history
        where namespace = v.namespace and memory_id = v.memory_id offset 0
      ) u
    ), current_bodies as (
      insert into mnemosync.memory_bodies
        (namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id, xid, seq, document,
         embedding)
      select v.namespace, v.memory_id, v.version, v.checksum, v.version_vector, v.modified_at,
             case when v.checksum is null then coalesce(v.ended_by, 'deleted') end, v.expires_at, v.tx_id, v.xid, v.seq,
             d.document, d.embedding
      from moving v left join documents d using (namespace, memory_id)
      on conflict (namespace, memory_id, version) do nothing
    ), replaced_bodies as (
      insert into mnemosync.memory_bodies
        (namespace, memory_id, version, checksum, version_vector, modified_at, ended_by, expires_at, tx_id, xid, seq, document,
         embedding)
      select namespace, memory_id, version, checksum, version_vector, modified_at,
             case when checksum is null then 'deleted' end, null, tx_id, null, null, document, embedding
      from history
      on conflict (namespace, memory_id, version) do nothing
    ), gone_documents as (
      delete from mnemosync.unmoved_documents where ctid = any (array(select place from documents))
    ), gone_history as (
      delete from mnemosync.unmoved_history where ctid = any (array(select place from history))
    ), marked as (
      update mnemosync.memory_versions v
      set xid = null, seq = null, ended_by = case when v.checksum is null then coalesce(v.ended_by, 'deleted') end,
          created_at = least(v.modified_at, (
            -- Of the life that lasts, or has ended last: what stands behind the ending before it.
            select min(h.modified_at) from history h
            where h.namespace = v.namespace and h.memory_id = v.memory_id and h.version < v.version
              and h.version > coalesce((
                select max(e.version) from history e
                where e.namespace = v.namespace and e.memory_id = v.memory_id and e.checksum is null and e.version < v.version
              ), 0)
          ))
      from moving m
      where v.namespace = m.namespace and v.memory_id = m.memory_id and ${isWritable(sql)}
    )
    select count(*)::int as moved from moving`;
  return row?.moved ?? 0;
}

/** Whether the constraints of migration 16 let a row called v be written as it is. */
function isWritable(sql: Sql): Fragment {
  return sql`v.version <= ${VERSION_MAX}::bigint and jsonb_typeof(v.version_vector) = 'object'
    and not jsonb_path_exists(v.version_vector, '$.* ? (@.type() != "number" || @ < 0 || @ > 281474976710656)')`;
}

/** One batch of the job `move_bodies`. */
export interface MovedBatch {
  /** Memories that were moved. */
  readonly moved: number;
  /** Behind the last one that was looked at; null: there was none. */
  readonly last: FeedCursor | null;
}

/**
 * Moves up to `limit` memories behind a place, in the order of their old places in the feed, in one short transaction. Passes
 * by those that are being written, which their writers move, and those that cannot be written.
 */
export async function moveBatch(sql: Sql, after: FeedCursor, limit: number): Promise<MovedBatch> {
  await sql`begin`;
  const rows = await sql<{ namespace: string; memory_id: string; xid: string; seq: string }[]>`
    select v.namespace, v.memory_id, v.xid::text as xid, v.seq::text as seq
    from mnemosync.memory_versions v
    where (v.xid, v.seq) > (${after.xid}::text::xid8, ${after.seq}::text::bigint) and ${isWritable(sql)}
    order by v.xid, v.seq
    limit ${limit}
    for update skip locked`;
  const moved = await moveBodies(
    sql,
    rows.map((row) => ({ namespace: row.namespace, memoryId: row.memory_id })),
  );
  await sql`commit`;
  const last = rows.at(-1);
  return { moved, last: last === undefined ? null : { xid: last.xid, seq: last.seq } };
}

/** Memories that are not moved yet and can be; and those that cannot be, since their numbers are beyond the caps. */
export async function countUnmoved(sql: Sql): Promise<{ movable: number; stuck: number }> {
  const [row] = await sql<{ movable: number; stuck: number }[]>`
    select count(*) filter (where ${isWritable(sql)})::int as movable,
           count(*) filter (where not (${isWritable(sql)}))::int as stuck
    from mnemosync.memory_versions v where v.xid is not null`;
  return { movable: row?.movable ?? 0, stuck: row?.stuck ?? 0 };
}

/** Whether the job has anything left to do: a memory to move, or the old index of the feed to replace. */
export async function needsMoving(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ needed: boolean }[]>`
    select to_regclass('mnemosync.memory_versions_feed_index') is not null
        or exists (select from mnemosync.memory_versions v where v.xid is not null and ${isWritable(sql)}) as needed`;
  return row?.needed ?? false;
}

/**
 * Replaces the old index of the feed, which each change must keep, by one of the rows that are not moved, which is empty.
 * Writers go on meanwhile. Safe twice; an index that was left incomplete is made anew.
 */
export async function replaceFeedIndex(sql: Sql): Promise<void> {
  const [left] = await sql<{ incomplete: boolean }[]>`
    select exists (select from pg_index where indexrelid = to_regclass('mnemosync.memory_versions_unmoved_index')
                                          and not indisvalid) as incomplete`;
  await withoutTimeouts(sql, async () => {
    if (left?.incomplete) await sql`drop index mnemosync.memory_versions_unmoved_index`;
    await sql`
      create unique index concurrently if not exists memory_versions_unmoved_index
        on mnemosync.memory_versions (xid, seq) where xid is not null`;
    await sql`drop index concurrently if exists mnemosync.memory_versions_feed_index`;
  });
}
