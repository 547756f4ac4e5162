import type { Condition } from "../domain/filter/filter.ts";
import type { Fragment, Sql, Statement } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import { wideRow } from "./body-rows.ts";
import {
  inOrder,
  isCurrent,
  placeText,
  placeVersion,
  type ScanOrder,
  type ScanPlace,
  type ScanQuery,
  scannedRows,
} from "./scanned-rows.ts";
import { whereCondition } from "./where.ts";

export type { ScanPlace, ScanQuery };

export interface PageQuery extends ScanQuery, ScanOrder {
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
  readonly createdAt: number;
  readonly modifiedAt: number;
  /** See `ScanPlace`. */
  readonly sort: string | null;
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
  /** The place behind the last one; null when there was none. */
  readonly last: ScanPlace | null;
  /** Memories that pass. */
  readonly passing: number;
}

/** A step of a count: which rows it saw, and which of them had expired. */
export interface CountStep extends ScanStep {
  /** Of the step, as PostgreSQL reads it back: what was committed in it was seen. */
  readonly snapshot: string;
  /** Of the database's clock, with its microseconds: what had expired by then did not count. */
  readonly moment: string;
}

/** `passing` ends at `limit` + 1, which tells whether memories are left. */
export interface PageStep extends ScanStep {
  readonly rows: readonly PageRow[];
}

/** A row of the answer for a page: a memory, and in the first row what the step looked at. One row without a memory where none is shown. */
export type PageAnswer = PageRow & StepAnswer;
export type StepAnswer = {
  scanned: number;
  lastId: string | null;
  lastSort: string | null;
  lastVersion: number | null;
  passing: number;
};
export type CountAnswer = StepAnswer & Pick<CountStep, "snapshot" | "moment">;

/**
 * One step of a page, in one of the orders. It reads a part of the primary key, or of the index of the order, and the documents of these rows where
 * the filter asks for them, however few pass: the work of a statement is bounded before it begins.
 */
export function pageStatement(sql: Sql, query: PageQuery): Statement<PageAnswer> {
  const { isDescending, limit, bytesMax, readsFirst, withEmbedding } = query;
  const [forward, backward] = isDescending ? [sql`desc`, sql`asc`] : [sql`asc`, sql`desc`];
  const ordered = (direction: Fragment) => inOrder(sql, query, direction);
  const embeddingBytes = withEmbedding ? sql`coalesce(octet_length(m.embedding), 0)` : sql`0`;
  const inFirst = (fact: Fragment) => sql`case when c.number > 1 then null else f.${fact} end as ${fact}`;
  // A body is looked up once, and stays compressed, or in its TOAST table, until its row is chosen.
  return sql<PageAnswer[]>`
    with scanned as materialized (${scannedRows(sql, query)}),
    passing as materialized (
      ${passingRows(sql, query.condition, query, isShown(sql))} order by ${ordered(forward)} limit ${limit + 1}
    ), sized as (
      select v.*, m.document, m.embedding,
             sum(coalesce(octet_length(m.document::text) + ${embeddingBytes}, 0)) over (order by ${ordered(forward)}) as total,
             row_number() over (order by ${ordered(forward)}) as number
      from (select * from passing v order by ${ordered(forward)} limit ${limit}) v left join lateral ${wideRow(sql)} m on true
    ), facts as (
      select (select count(*)::int from scanned) as scanned, (select count(*)::int from passing) as passing,
             l.memory_id as "lastId", ${placeText(sql, query, sql`l.sort`)} as "lastSort", ${placeVersion(sql, query)} as "lastVersion"
      from (values (1)) one left join (select * from scanned v order by ${ordered(backward)} limit 1) l on true
    )
    select ${inFirst(sql`scanned`)}, ${inFirst(sql`passing`)}, ${inFirst(sql`"lastId"`)}, ${inFirst(sql`"lastSort"`)}, ${inFirst(sql`"lastVersion"`)},
           c.memory_id as "memoryId", c.version::float8 as version, c.checksum, c.version_vector::text as "versionVector", ${placeText(sql, query, sql`c.sort`)} as sort,
           date_part('epoch', coalesce(c.created_at, c.modified_at)) * 1000 as "createdAt",
           date_part('epoch', c.modified_at) * 1000 as "modifiedAt", c.document::text as document,
           octet_length(c.embedding) as "embeddingBytes", ${withEmbedding ? sql`c.embedding` : sql`null::bytea`} as embedding
    from facts f left join sized c on c.total <= ${bytesMax}::float8 or (c.number = 1 and ${readsFirst}::boolean)
    order by c.number`;
}

export function pageStepOf(rows: readonly PageAnswer[]): PageStep {
  return { ...stepOf(rows[0] as PageAnswer), rows: rows.filter(({ memoryId }) => memoryId !== null) };
}

/** One step of a count, in the order of memory ids. It stands on one moment: another statement can tell what it counted. */
export function countStatement(sql: Sql, query: ScanQuery): Statement<CountAnswer> {
  const order = { sortField: null, isDescending: false };
  const rows = scannedRows(sql, { ...query, ...order });
  const isAlive = sql`v.deleted_at is null and (v.expires_at is null or v.expires_at > statement_timestamp())`;
  return sql<CountAnswer[]>`
    with scanned as materialized (${rows})
    select (select count(*)::int from scanned) as scanned, (select max(memory_id) from scanned) as "lastId",
           null as "lastSort", null as "lastVersion",
           (select count(*)::int from (${passingRows(sql, query.condition, order, isAlive)}) p) as passing,
           pg_current_snapshot()::text as snapshot,
           to_char(statement_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as moment`;
}

export function countStepOf({ snapshot, moment, ...answer }: CountAnswer): CountStep {
  return { ...stepOf(answer), snapshot, moment };
}

export function stepOf({ scanned, passing, lastId, lastSort, lastVersion }: StepAnswer): ScanStep {
  const last = lastId === null ? null : { memoryId: lastId, sort: lastSort };
  return { scanned, passing, last: last && lastVersion !== null ? { ...last, version: lastVersion } : last };
}

/** Those of a table called scanned that are alive and pass. @param isAlive of a row of a table called v. */
function passingRows(sql: Sql, condition: Condition, order: ScanOrder, isAlive: Fragment): Fragment {
  return sql`
    select v.* from scanned v ${filteredDocument(sql, condition)}
    where ${isCurrent(sql, order)} and ${isAlive} and ${whereCondition(sql, condition)}`;
}

/** The document of a row of a table called v, as `whereCondition` reads it, where the filter asks for it. */
export function filteredDocument(sql: Sql, condition: Condition): Fragment {
  if (!needsDocument(condition)) return sql``;
  return sql`cross join lateral (select m.document::jsonb as document from ${wideRow(sql)} m) d`;
}

/** Of a row of a table called v: it is neither deleted nor expired. */
export const IS_SHOWN = "v.deleted_at is null and (v.expires_at is null or v.expires_at > clock_timestamp())";

/** `IS_SHOWN` as a part of a statement. */
export function isShown(sql: Sql): Fragment {
  return sql.unsafe(IS_SHOWN);
}

const NARROW_FIELDS: ReadonlySet<unknown> = new Set(["memoryId", "createdAt", "modifiedAt", "expiresAt"]);

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
export function namespacesStatement(sql: Sql, after: string, limit: number): Statement<{ namespace: string }> {
  const next = (behind: Fragment) => sql`
    select namespace from mnemosync.memory_versions where namespace > ${behind} order by namespace limit 1`;
  return sql<{ namespace: string }[]>`
    with recursive found as (
      select f.namespace, 1 as number from (${next(sql`${after}::text`)}) f
      union all
      select n.namespace, f.number + 1 from found f cross join lateral (${next(sql`f.namespace`)}) n
      where f.number < ${limit}::int
    )
    select namespace from found order by number`;
}

/** Those of `namespaces` behind `after` that have or had memories, in the order of their bytes. */
export function namespacesOfStatement(
  sql: Sql,
  namespaces: readonly string[],
  after: string,
  limit: number,
): Statement<{ namespace: string }> {
  return sql<{ namespace: string }[]>`
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
}
