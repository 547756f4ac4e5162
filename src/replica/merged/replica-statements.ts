import type { MemoryKey } from "../../domain/keys.ts";
import type { Fragment, Sql, Statement } from "../../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "../../ledger/arrays.ts";
import { endingOf } from "../../ledger/body-rows.ts";
import { filteredDocument } from "../../ledger/find-statements.ts";
import { type HistoricVersion, readHistoryBetween } from "../../ledger/history-statements.ts";
import { placeText, scannedRows } from "../../ledger/scanned-rows.ts";
import { whereCondition } from "../../ledger/where.ts";
import type {
  ContentQuery,
  ReplicaContent,
  ReplicaHistory,
  ReplicaPage,
  ReplicaQuery,
  ReplicaRow,
  ReplicaRows,
  ReplicaStanding,
  VersionQuery,
} from "./sides.ts";

/*
 * The replica has the tables of a ledger, and in `replica_cursor` how far it has followed the primary. An ending moves the narrow
 * row on, and the content stays in the body of the version before it.
 */

interface StandingRow {
  readonly epoch: string | null;
  readonly xid: string | null;
  readonly seq: string | null;
  readonly pruned_xid: string | null;
  readonly pruned_seq: string | null;
}

interface FoundRow extends StandingRow {
  readonly memory_id: string | null;
  readonly version: number;
  readonly ended_by: ReplicaRow["endedBy"];
  readonly is_expired: boolean;
  readonly sort: string | null;
}

interface ListedRow extends FoundRow {
  readonly scanned: number;
  readonly last_id: string | null;
  readonly last_sort: string | null;
}

export async function readStanding(sql: Sql): Promise<ReplicaStanding> {
  const [row] = await sql<StandingRow[]>`select s.* from ${standing(sql)} s`;
  return standingOf(row);
}

/** One row, whatever the cursor. */
function standing(sql: Sql): Fragment {
  return sql`(
    select c.epoch, c.xid::text as xid, c.seq::text as seq, c.pruned_xid::text as pruned_xid, c.pruned_seq::text as pruned_seq
    from (values (1)) one left join mnemosync.replica_cursor c on true
  )`;
}

function standingOf(row: StandingRow | undefined): ReplicaStanding {
  const { epoch = null, xid = null, seq = null, pruned_xid = null, pruned_seq = null } = row ?? {};
  const prunedAtStart = pruned_xid === null || pruned_seq === null ? null : { xid: pruned_xid, seq: pruned_seq };
  return { epoch, cursor: { xid: xid ?? "0", seq: seq ?? "0" }, prunedAtStart };
}

/** Columns of `FoundRow` beside the standing, of a narrow row called v. */
function facts(sql: Sql): Fragment {
  return sql`
    v.memory_id, v.version::float8 as version, ${endingOf(sql)} as ended_by,
    v.checksum is not null and coalesce(v.expires_at <= clock_timestamp(), false) as is_expired`;
}

export async function readRows(sql: Sql, namespace: string, memoryIds: readonly string[]): Promise<ReplicaRows> {
  const rows = await sql<FoundRow[]>`
    select s.*, r.*, null as sort
    from ${standing(sql)} s
    left join (
      select ${facts(sql)}
      from unnest(${arrayLiteral(memoryIds)}::text::text[]) as k (memory_id)
      cross join lateral (
        select * from mnemosync.memory_versions where namespace = ${namespace}::text and memory_id = k.memory_id offset 0
      ) v
      where ${isAsTold(sql, sql`v.memory_id`, namespace)}
    ) r on true`;
  return { standing: standingOf(rows[0]), rows: rowsOf(rows) };
}

/**
 * Whether the replica took the last change of a memory that it was told. It keeps the letters of those that it refused too: a
 * primary that was put back may have lost them.
 */
function isAsTold(sql: Sql, memoryId: Fragment, namespace: string): Fragment {
  return sql`not exists (
      select from mnemosync.replica_dead_letters d where d.namespace = ${namespace}::text and d.memory_id = ${memoryId}
    )`;
}

/** Rows that may be shown, of a part of the primary key, or of the index of an order. */
export function listStatement(sql: Sql, query: ReplicaQuery): Statement<ListedRow> {
  const { condition, archive, isDescending } = query;
  const [forward, backward] = isDescending ? [sql`desc`, sql`asc`] : [sql`asc`, sql`desc`];
  const isExpired = sql`(s.deleted_at is null and coalesce(s.expires_at <= clock_timestamp(), false))`;
  const isShown = archive
    ? sql`(s.deleted_at is null or (s.ended_by = 'expired' and ${hasContent(sql)}))`
    : sql`(s.deleted_at is null and not ${isExpired})`;
  const sort = (row: Fragment) => placeText(sql, query, row);
  return sql<ListedRow[]>`
    with scanned as materialized (${scannedRows(sql, query)}),
    passing as (
      select v.* from (
        -- As version the one whose content stands for the row: what the filter judges.
        select s.namespace, s.memory_id, s.version - (s.deleted_at is not null)::int as version, s.version as row_version,
               s.created_at, s.modified_at, s.expires_at, s.deleted_at, s.sort, ${isExpired} as is_expired
        from scanned s where ${isShown} and ${isAsTold(sql, sql`s.memory_id`, query.namespace)}
      ) v ${filteredDocument(sql, condition)} where ${whereCondition(sql, condition)}
    )
    select t.*, f.scanned, l.memory_id as last_id, ${sort(sql`l.sort`)} as last_sort,
           p.memory_id, p.row_version::float8 as version, case when p.deleted_at is not null then 'expired' end as ended_by,
           p.is_expired, ${sort(sql`p.sort`)} as sort
    from ${standing(sql)} t
    cross join (select count(*)::int as scanned from scanned) f
    left join (
      select memory_id, sort from scanned v order by v.sort ${backward}, v.memory_id ${backward} limit 1
    ) l on true
    left join passing p on true
    order by p.sort ${forward}, p.memory_id ${forward}`;
}

/** Of a row s that is an ending: the version right before it is there, and is the last content. */
function hasContent(sql: Sql): Fragment {
  const body = (version: Fragment) => sql`exists (
      select from mnemosync.memory_bodies b
      where b.namespace = s.namespace and b.memory_id = s.memory_id and b.version = ${version} and b.document is not null)`;
  return sql`${body(sql`s.version - 1`)} and not ${body(sql`s.version`)}`;
}

export function replicaPageOf(rows: readonly ListedRow[]): ReplicaPage {
  const [first] = rows;
  const lastId = first?.last_id ?? null;
  return {
    standing: standingOf(first),
    rows: rowsOf(rows),
    scanned: first?.scanned ?? 0,
    last: lastId === null ? null : { memoryId: lastId, sort: first?.last_sort ?? null },
  };
}

function rowsOf(rows: readonly FoundRow[]): ReplicaRow[] {
  return rows.flatMap(({ memory_id: memoryId, version, ended_by: endedBy, is_expired: isExpired, sort }) =>
    memoryId === null ? [] : [{ memoryId, version, endedBy, isExpired, sort }],
  );
}

/** Contents in the order of `wanted`, as long as they fit. What is gone since is not among them. */
export async function readContents(sql: Sql, query: ContentQuery): Promise<ReplicaContent[]> {
  const { namespace, wanted, withEmbedding, bytesMax } = query;
  const embedding = withEmbedding ? sql`b.embedding` : sql`null::bytea`;
  return await sql<ReplicaContent[]>`
    select c."memoryId", c.version, c.checksum, c."versionVector", c."createdAt", c."modifiedAt", null as sort, c.fits,
           case when c.fits then c.document::text end as document, c."embeddingBytes",
           case when c.fits then c.embedding end as embedding
    from (
      select z.*, sum(z.size) over (order by z.place) <= ${bytesMax}::float8 or row_number() over (order by z.place) = 1 as fits
      from (
        select k.place, b.memory_id as "memoryId", b.version::float8 as version, b.checksum,
               b.version_vector::text as "versionVector",
               date_part('epoch', coalesce(v.created_at, b.modified_at)) * 1000 as "createdAt",
               date_part('epoch', b.modified_at) * 1000 as "modifiedAt", b.document,
               octet_length(b.embedding) as "embeddingBytes", ${embedding} as embedding,
               octet_length(b.document::text) + coalesce(octet_length(${embedding}), 0) as size
        from unnest(${arrayLiteral(wanted.map(({ memoryId }) => memoryId))}::text::text[],
                    ${arrayLiteral(wanted.map(({ version }) => version))}::text::bigint[])
             with ordinality as k (memory_id, version, place)
        cross join lateral (
          select * from mnemosync.memory_bodies
          where namespace = ${namespace}::text and memory_id = k.memory_id and version = k.version and document is not null offset 0
        ) b
        -- The last content alone: an ending may have been told below the number of a row whose primary was lost by hand.
        left join lateral (
          select true as is_replaced from mnemosync.memory_bodies
          where namespace = ${namespace}::text and memory_id = k.memory_id and version = k.version + 1 and document is not null
          offset 0
        ) n on true
        cross join lateral (
          select created_at from mnemosync.memory_versions
          where namespace = ${namespace}::text and memory_id = k.memory_id offset 0
        ) v
        where n.is_replaced is null
      ) z
    ) c
    order by c.place`;
}

/** The standing, the row of a memory, and how far its history ended for good: of one moment. */
export async function readReplicaHistory(sql: Sql, { namespace, memoryId }: MemoryKey): Promise<ReplicaHistory> {
  const rows = await sql<(FoundRow & { ended_through: number })[]>`
    select s.*, r.*, null as sort, e.ended_through
    from ${standing(sql)} s
    cross join (
      select coalesce(max(b.version), 0)::float8 as ended_through from mnemosync.memory_bodies b
      where b.namespace = ${namespace}::text and b.memory_id = ${memoryId}::text
        and b.checksum is null and coalesce(b.ended_by, 'deleted') <> 'expired'
    ) e
    left join (
      select ${facts(sql)}
      from (
        select * from mnemosync.memory_versions where namespace = ${namespace}::text and memory_id = ${memoryId}::text offset 0
      ) v
      where ${isAsTold(sql, sql`v.memory_id`, namespace)}
    ) r on true`;
  return { standing: standingOf(rows[0]), rows: rowsOf(rows), endedThrough: rows[0]?.ended_through ?? 0 };
}

/** Versions of a memory between two others, newest first. */
export async function readReplicaVersions(
  sql: Sql,
  { namespace, memoryId, before, after, limit }: VersionQuery,
): Promise<HistoricVersion[]> {
  return await readHistoryBetween(sql, { namespace, memoryId }, { before, after }, limit);
}
