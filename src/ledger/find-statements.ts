import type { Condition } from "../domain/filter/filter.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import { wideRow } from "./body-rows.ts";
import { whereCondition } from "./where.ts";

/** The memories of a namespace that pass a filter, from a place on. */
export interface ScanQuery {
  readonly namespace: string;
  readonly condition: Condition;
  /** The id behind which the step begins; null: at the start. */
  readonly after: string | null;
  /** Rows that the step looks at, at most. */
  readonly rowsMax: number;
}

export interface PageQuery extends ScanQuery {
  readonly isDescending: boolean;
  /** Memories at most. */
  readonly limit: number;
  /** Bytes of documents, and of embeddings where they are read, at most. */
  readonly bytesMax: number;
  /** Whether the first memory is read however large it is. */
  readonly readsFirst: boolean;
  readonly withEmbedding: boolean;
}

/** A memory of a page. Times are milliseconds since 1970. */
export interface PageRow {
  readonly memoryId: string;
  readonly version: number;
  readonly checksum: string;
  /** JSON text. */
  readonly versionVector: string;
  readonly modifiedAt: number;
  /** Null where the wide row is missing, which a deep check reports. */
  readonly document: string | null;
  /** Bytes; null without an embedding. */
  readonly embeddingBytes: number | null;
  /** Null without an embedding, and where embeddings are not read. */
  readonly embedding: Buffer | null;
}

/** What a step of a scan looked at. */
export interface ScanStep {
  /** Rows that were looked at: fewer than `rowsMax` at the end. */
  readonly scanned: number;
  /** The id of the last one; null when there was none. */
  readonly last: string | null;
  /** Memories that pass. */
  readonly passing: number;
}

/** `passing` ends at `limit` + 1, which tells whether memories are left. */
export interface PageStep extends ScanStep {
  readonly rows: readonly PageRow[];
}

type Row = PageRow & { scanned: number; last: string | null; passing: number };

/**
 * One step of a page, in the order of memory ids. It reads a part of the primary key, and the documents of these rows where
 * the filter asks for them, however few pass: the work of a statement is bounded before it begins.
 */
export async function readPageStep(sql: Sql, query: PageQuery): Promise<PageStep> {
  const { isDescending, limit, bytesMax, readsFirst, withEmbedding } = query;
  const [forward, backward] = isDescending ? [sql`desc`, sql`asc`] : [sql`asc`, sql`desc`];
  const embeddingBytes = withEmbedding ? sql`coalesce(octet_length(embedding), 0)` : sql`0`;
  const rows = await sql<Row[]>`
    with scanned as materialized (${scannedRows(sql, query, isDescending)}),
    passing as materialized (
      ${passingRows(sql, query.condition)} order by v.memory_id ${forward} limit ${limit + 1}
    ), sized as (
      select v.*, sum(s.bytes) over (order by v.memory_id ${forward}) as total,
             row_number() over (order by v.memory_id ${forward}) as number
      from (select * from passing order by memory_id ${forward} limit ${limit}) v
      cross join lateral (
        select coalesce((select octet_length(document::text) + ${embeddingBytes} from ${wideRow(sql)} m), 0) as bytes offset 0
      ) s
    ), chosen as (
      select v.memory_id, v.version, v.checksum, v.version_vector, v.modified_at, m.document::text as document,
             octet_length(m.embedding) as embedding_bytes,
             ${withEmbedding ? sql`m.embedding` : sql`null::bytea`} as embedding
      from sized v left join lateral ${wideRow(sql)} m on true
      where v.total <= ${bytesMax}::float8 or (v.number = 1 and ${readsFirst}::boolean)
    ), facts as (
      select (select count(*)::int from scanned) as scanned, (select count(*)::int from passing) as passing,
             (select memory_id from scanned order by memory_id ${backward} limit 1) as last
    )
    select f.*, c.memory_id as "memoryId", c.version::float8 as version, c.checksum,
           c.version_vector::text as "versionVector", extract(epoch from c.modified_at)::float8 * 1000 as "modifiedAt",
           c.document, c.embedding_bytes as "embeddingBytes", c.embedding
    from facts f left join chosen c on true
    order by c.memory_id ${forward}`;
  const { scanned, last, passing } = rows[0] as Row;
  return { scanned, last, passing, rows: rows.filter(({ memoryId }) => memoryId !== null) };
}

/** One step of a count, in the order of memory ids. */
export async function countStep(sql: Sql, query: ScanQuery): Promise<ScanStep> {
  const [step] = await sql<[ScanStep]>`
    with scanned as materialized (${scannedRows(sql, query, false)})
    select (select count(*)::int from scanned) as scanned, (select max(memory_id) from scanned) as last,
           (select count(*)::int from (${passingRows(sql, query.condition)}) p) as passing`;
  return step;
}

/** Narrow rows of a namespace behind a place. */
function scannedRows(sql: Sql, { namespace, after, rowsMax }: ScanQuery, isDescending: boolean): Fragment {
  const behind = isDescending ? sql`memory_id < ${after}::text` : sql`memory_id > ${after}::text`;
  return sql`
    select namespace, memory_id, version, checksum, version_vector, modified_at, deleted_at, expires_at
    from mnemosync.memory_versions
    where namespace = ${namespace}::text ${after === null ? sql`` : sql`and ${behind}`}
    order by memory_id ${isDescending ? sql`desc` : sql`asc`}
    limit ${rowsMax}`;
}

/** Those of a table called scanned that are shown and pass. */
function passingRows(sql: Sql, condition: Condition): Fragment {
  return sql`select v.* from scanned v ${filteredDocument(sql, condition)} where ${isShown(sql)} and ${whereCondition(sql, condition)}`;
}

/** The document of a row of a table called v, as `whereCondition` reads it, where the filter asks for it. */
export function filteredDocument(sql: Sql, condition: Condition): Fragment {
  if (!needsDocument(condition)) return sql``;
  return sql`cross join lateral (select m.document::jsonb as document from ${wideRow(sql)} m) d`;
}

/** Of a row of a table called v: it is neither deleted nor expired. */
export function isShown(sql: Sql): Fragment {
  return sql`v.deleted_at is null and (v.expires_at is null or v.expires_at > clock_timestamp())`;
}

const NARROW_FIELDS: ReadonlySet<unknown> = new Set(["memoryId", "modifiedAt", "expiresAt"]);

function needsDocument(condition: Condition): boolean {
  switch (condition.kind) {
    case "test":
      return !NARROW_FIELDS.has(condition.field);
    case "not":
      return needsDocument(condition.of);
    default:
      return condition.of.some(needsDocument);
  }
}

/** How many memories pass, as the planner guesses from its statistics. No memory is read. */
export async function estimateCount(sql: Sql, namespace: string, condition: Condition): Promise<number> {
  const document = needsDocument(condition)
    ? sql`join mnemosync.memory_bodies m
            on m.namespace = v.namespace and m.memory_id = v.memory_id and m.version = v.version
          cross join lateral (select m.document::jsonb as document) d`
    : sql``;
  return await expectedRows(
    sql,
    sql`
    select 1 from mnemosync.memory_versions v ${document}
    where v.namespace = ${namespace}::text and ${isShown(sql)} and ${whereCondition(sql, condition)}`,
  );
}

/** How many rows the planner expects of a query. None is read. */
export async function expectedRows(sql: Sql, query: Fragment): Promise<number> {
  const [row] = await sql<{ "QUERY PLAN": unknown }[]>`explain (format json) ${query}`;
  const told = row?.["QUERY PLAN"];
  const [{ Plan: plan }] = (typeof told === "string" ? JSON.parse(told) : told) as [{ Plan: { "Plan Rows": number } }];
  return plan["Plan Rows"];
}

/**
 * Namespaces behind `after` that have or had memories, in the order of their bytes. The primary key is entered once per
 * namespace: PostgreSQL does not skip from one to the next by itself, and would read every memory's row.
 */
export async function listNamespaces(sql: Sql, after: string, limit: number): Promise<string[]> {
  const next = (behind: Fragment) => sql`
    select namespace from mnemosync.memory_versions where namespace > ${behind} order by namespace limit 1`;
  const rows = await sql<{ namespace: string }[]>`
    with recursive found as (
      select f.namespace, 1 as number from (${next(sql`${after}::text`)}) f
      union all
      select n.namespace, f.number + 1 from found f cross join lateral (${next(sql`f.namespace`)}) n
      where f.number < ${limit}::int
    )
    select namespace from found order by number`;
  return rows.map(({ namespace }) => namespace);
}

/** Those of `namespaces` behind `after` that have or had memories, in the order of their bytes. */
export async function listNamespacesOf(
  sql: Sql,
  namespaces: readonly string[],
  after: string,
  limit: number,
): Promise<string[]> {
  const rows = await sql<{ namespace: string }[]>`
    select n.namespace
    from (
      select distinct namespace collate "C" as namespace from unnest(${arrayLiteral(namespaces)}::text::text[]) as u (namespace)
    ) n
    cross join lateral (
      select 1 from mnemosync.memory_versions v where v.namespace = n.namespace order by v.memory_id limit 1
    ) one
    where n.namespace > ${after}::text
    order by n.namespace
    limit ${limit}`;
  return rows.map(({ namespace }) => namespace);
}
