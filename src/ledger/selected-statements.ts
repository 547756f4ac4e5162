import type { Condition, FieldTest, Scalar } from "../domain/filter/filter.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import { wideRow } from "./body-rows.ts";
import { expectedRows, filteredDocument, isShown } from "./find-statements.ts";
import { DOCUMENT_TABLE, fieldsExpression } from "./optional-indexes.ts";
import { currentRows } from "./read-statements.ts";
import { whereCondition } from "./where.ts";

/** Entries of an index that are looked at for a selective filter. A filter that has more is not selective. */
const LOOKED_MAX = 4_000;
/** A filter for which the planner expects more is not tried: collecting the entries of a common value takes time too. */
const EXPECTED_MAX = 8_000;

/** A memory that passes a selective filter, with what its nearness is computed of. */
export interface SelectedRow {
  readonly memoryId: string;
  readonly version: number;
  readonly checksum: string;
  readonly embeddingModel: string | null;
  readonly embedding: Buffer;
}

export interface SelectedQuery {
  readonly namespace: string;
  readonly condition: Condition;
  /** Whether the ledger has a complete index of fields. */
  readonly hasFieldIndex: boolean;
}

/**
 * Every memory with a vector that passes a filter, where few do; null where the filter is not selective, or where no index leads
 * to those that pass. Looks at `LOOKED_MAX` rows at most.
 */
export async function readSelected(sql: Sql, query: SelectedQuery): Promise<readonly SelectedRow[] | null> {
  const { namespace, condition } = query;
  const leading = leadingRows(sql, query);
  if (leading === null) return null;
  if (leading.isEstimated && (await expectedRows(sql, leading.rows)) > EXPECTED_MAX) return null;
  if (leading.isOfBodies) {
    const [unmoved] = await sql`select 1 from mnemosync.unmoved_documents limit 1`;
    if (unmoved !== undefined) return null;
  }
  const rows = await sql<(SelectedRow & { looked: number })[]>`
    with looked as materialized (${leading.rows} limit ${LOOKED_MAX + 1}::int),
    passing as (
      select v.memory_id, v.version, v.checksum, m.document ->> 'embeddingModel' as model, m.embedding
      from looked l
      cross join lateral (
        -- An index of bodies has replaced versions too.
        select * from mnemosync.memory_versions
        where namespace = l.namespace and memory_id = l.memory_id and (l.version is null or version = l.version) offset 0
      ) v
      ${filteredDocument(sql, condition)}
      cross join lateral ${wideRow(sql)} m
      where (select count(*) from looked) <= ${LOOKED_MAX} and v.namespace = ${namespace}::text and m.embedding is not null
        and ${isShown(sql)} and ${whereCondition(sql, condition)}
    )
    select n.looked, p.memory_id as "memoryId", p.version::float8 as version, p.checksum, p.model as "embeddingModel",
           p.embedding
    from (select count(*)::int as looked from looked) n left join passing p on true`;
  if ((rows[0]?.looked ?? 0) > LOOKED_MAX) return null;
  return rows.filter(({ memoryId }) => memoryId !== null);
}

/** Those of the ids whose memories pass a filter. */
export async function readPassing(
  sql: Sql,
  namespace: string,
  memoryIds: readonly string[],
  condition: Condition,
): Promise<string[]> {
  const rows = await sql<{ memoryId: string }[]>`
    select v.memory_id as "memoryId"
    from ${currentRows(
      sql,
      memoryIds.map((memoryId) => ({ namespace, memoryId })),
    )}
    ${filteredDocument(sql, condition)}
    where ${isShown(sql)} and ${whereCondition(sql, condition)}`;
  return rows.map(({ memoryId }) => memoryId);
}

/** Milliseconds since 1970 at which the memories of `memoryIds` that are there were created, by id. */
export async function readCreationTimes(
  sql: Sql,
  namespace: string,
  memoryIds: readonly string[],
): Promise<Map<string, number>> {
  const rows = await sql<{ memoryId: string; createdAt: number }[]>`
    select v.memory_id as "memoryId", round(date_part('epoch', coalesce(v.created_at, v.modified_at)) * 1000) as "createdAt"
    from ${currentRows(
      sql,
      memoryIds.map((memoryId) => ({ namespace, memoryId })),
    )}
    where v.deleted_at is null`;
  return new Map(rows.map(({ memoryId, createdAt }) => [memoryId, createdAt]));
}

/** Keys of rows that an index leads to, among which are all that pass. */
interface Leading {
  readonly rows: Fragment;
  readonly isEstimated: boolean;
  /** Memories that are not moved to `memory_bodies` yet are not among them. */
  readonly isOfBodies?: boolean;
}

function leadingRows(sql: Sql, { namespace, condition, hasFieldIndex }: SelectedQuery): Leading | null {
  const tests = necessaryTests(condition);
  const ids = tests.find(({ field, operator }) => field === "memoryId" && (operator === "eq" || operator === "in"));
  if (ids !== undefined) {
    const list = arrayLiteral([ids.value].flat().map(String));
    const rows = sql`
      select distinct ${namespace}::text as namespace, u.memory_id, null::bigint as version from unnest(${list}::text::text[]) as u (memory_id)`;
    return { rows, isEstimated: false };
  }
  const prefix = tests.find(({ field, operator }) => field === "memoryId" && operator === "prefix");
  if (prefix !== undefined && prefix.value !== "") {
    const rows = sql`
      select namespace, memory_id, null::bigint as version from mnemosync.memory_versions
      where namespace = ${namespace}::text and memory_id >= ${prefix.value as string}::text
        and starts_with(memory_id, ${prefix.value as string}::text)`;
    return { rows, isEstimated: true };
  }
  const fields = tests.reduce<object | null>((all, test) => merged(all, containedBy(test)), null);
  if (!hasFieldIndex || fields === null) return null;
  const wanted = JSON.stringify({ ...fields, namespace });
  const rows = sql`
    select d.namespace, d.memory_id, d.version from ${sql.unsafe(DOCUMENT_TABLE)} d
    where ${sql.unsafe(fieldsExpression("d."))} @> ${wanted}::text::jsonb`;
  return { rows, isEstimated: true, isOfBodies: true };
}

/** Tests that hold for each memory that passes. */
function necessaryTests(condition: Condition): FieldTest[] {
  if (condition.kind === "test") return [condition];
  return condition.kind === "all" ? condition.of.flatMap(necessaryTests) : [];
}

const INDEXED_FIELDS: ReadonlySet<unknown> = new Set(["memoryType", "privacy", "embeddingModel"]);

/** An object that every document with this test's value contains (`@>`); null where there is none. */
function containedBy({ field, operator, value }: FieldTest): object | null {
  if (operator !== "eq" && operator !== "contains") return null;
  const wanted = operator === "contains" ? [value as Scalar] : (value as Scalar);
  if (typeof field === "string") return INDEXED_FIELDS.has(field) ? { [field]: wanted } : null;
  return {
    metadata: field.metadata.reduceRight<unknown>((inner, name) => Object.fromEntries([[name, inner]]), wanted),
  };
}

/** Both at once; the first where they have different values under one name, which no memory has: the filter refuses it later. */
function merged(all: object | null, more: object | null): object | null {
  if (all === null || more === null) return all ?? more;
  const result: [string, unknown][] = Object.entries(all);
  for (const [name, value] of Object.entries(more)) {
    const at = result.findIndex(([known]) => known === name);
    if (at < 0) result.push([name, value]);
    else if (isPlain(result[at]?.[1]) && isPlain(value)) result[at] = [name, merged(result[at]?.[1] as object, value)];
  }
  return Object.fromEntries(result);
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
