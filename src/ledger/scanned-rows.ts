import type { Condition } from "../domain/filter/filter.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { IMPORTANCE_TEXT, type SortField, sortExpression } from "./sort-expression.ts";

/** A place behind a row, in one of the orders. */
export interface ScanPlace {
  readonly memoryId: string;
  /** What the order goes by, as PostgreSQL reads it back exactly; null in the order of ids. */
  readonly sort: string | null;
  /**
   * In the order of importance, where the row is a replaced version: this version. Without it the place is behind each version of
   * the memory that has this importance, so that a memory which is written again in its place is not shown again.
   */
  readonly version?: number;
}

/** The memories of a namespace that pass a filter, from a place on. */
export interface ScanQuery {
  readonly namespace: string;
  readonly condition: Condition;
  /** The place behind which the step begins; null: at the start. */
  readonly after: ScanPlace | null;
  /** Rows that the step looks at, at most. */
  readonly rowsMax: number;
}

/** An order of a scan. */
export interface ScanOrder {
  /** Null: by id. A field needs its index: see `optional-indexes.ts`. */
  readonly sortField: SortField | null;
  readonly isDescending: boolean;
}

type Scan = Omit<ScanQuery, "condition"> & ScanOrder;

/** Beyond each version: they end at 2^48. */
const VERSION_BEYOND = "9223372036854775807";

/**
 * The rows of a namespace behind a place: a part of the primary key, or of the index of the order, which has each row. Their
 * column `sort` is a time, or for the importance a text.
 */
export function scannedRows(sql: Sql, scan: Scan): Fragment {
  return scan.sortField === "importance" ? bodiesInOrder(sql, scan) : versionsInOrder(sql, scan, scan.sortField);
}

/** Whether a scanned row, called v, is of the memory's current version. */
export function isCurrent(sql: Sql, { sortField }: ScanOrder): Fragment {
  return sortField === "importance" ? sql`v.is_current` : sql`true`;
}

/** The order of scanned rows called v, in one of the directions. */
export function inOrder(sql: Sql, { sortField }: ScanOrder, direction: Fragment): Fragment {
  if (sortField !== "importance") return sql`v.sort ${direction}, v.memory_id ${direction}`;
  return sql`v.sort::float8 ${direction}, v.memory_id ${direction}, v.version ${direction}`;
}

/** `ScanPlace.sort` of a column `sort`. */
export function placeText(sql: Sql, { sortField }: ScanOrder, sort: Fragment): Fragment {
  if (sortField === null) return sql`null::text`;
  if (sortField === "importance") return sort;
  // With its microseconds, whatever the session's time zone; a number of JavaScript would round it.
  return sql`to_char(${sort} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** `ScanPlace.version` of a scanned row called l. */
export function placeVersion(sql: Sql, { sortField }: ScanOrder): Fragment {
  return sortField === "importance" ? sql`case when not l.is_current then l.version::float8 end` : sql`null::float8`;
}

function versionsInOrder(
  sql: Sql,
  { namespace, after, rowsMax, isDescending }: Scan,
  sortField: Exclude<SortField, "importance"> | null,
): Fragment {
  const direction = isDescending ? sql`desc` : sql`asc`;
  const compare = isDescending ? sql`<` : sql`>`;
  const sort = sortField === null ? sql`null::timestamptz` : sql`${sql.unsafe(sortExpression(sortField))}`;
  const place =
    after &&
    (sortField === null
      ? sql`and memory_id ${compare} ${after.memoryId}::text`
      : sql`and (${sort}, memory_id) ${compare} (${after.sort}::text::timestamptz, ${after.memoryId}::text)`);
  return sql`
    select namespace, memory_id, version, checksum, version_vector, created_at, modified_at, deleted_at, ended_by, expires_at,
           ${sort} as sort
    from mnemosync.memory_versions
    where namespace = ${namespace}::text ${place ?? sql``}
    order by ${sortField === null ? sql`` : sql`${sort} ${direction},`} memory_id ${direction}
    limit ${rowsMax}`;
}

/**
 * The importance stands in the document, so its index is one of bodies, replaced ones included: a column of the narrow row would
 * cost each write of each ledger. What belongs to a replaced version is null.
 */
function bodiesInOrder(sql: Sql, { namespace, after, rowsMax, isDescending }: Scan): Fragment {
  const direction = isDescending ? sql`desc` : sql`asc`;
  const compare = isDescending ? sql`<` : sql`>`;
  const sort = sql`${sql.unsafe(sortExpression("importance"))}`;
  const version = after?.version?.toString() ?? (isDescending ? "0" : VERSION_BEYOND);
  const place =
    after &&
    sql`and (${sort}, memory_id, version) ${compare}
            (${after.sort}::text::float8, ${after.memoryId}::text, ${version}::text::bigint)`;
  return sql`
    select b.namespace, b.memory_id, b.version, c.checksum, c.version_vector, c.created_at, c.modified_at, c.deleted_at,
           c.expires_at, b.sort, c.version is not null as is_current
    from (
      select namespace, memory_id, version, ${sql.unsafe(IMPORTANCE_TEXT)} as sort
      from mnemosync.memory_bodies
      where namespace = ${namespace}::text and document is not null ${place ?? sql``}
      order by ${sort} ${direction}, memory_id ${direction}, version ${direction}
      limit ${rowsMax}
    ) b
    left join lateral (
      select * from mnemosync.memory_versions
      where namespace = b.namespace and memory_id = b.memory_id and version = b.version offset 0
    ) c on true`;
}
