import type { Condition, FieldTest, Scalar } from "../domain/filter/filter.ts";
import type { FieldName } from "../domain/filter/filter-schema.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";

/**
 * A checked filter as a boolean expression that is never null. It reads a narrow row called `v` and the document of its
 * memory as `d.document` (jsonb). Every value is bound, paths and operands included.
 */
export function whereCondition(sql: Sql, condition: Condition): Fragment {
  switch (condition.kind) {
    case "all":
      return joined(sql, condition.of, sql`true`, sql` and `);
    case "any":
      return joined(sql, condition.of, sql`false`, sql` or `);
    case "not":
      return sql`not ${whereCondition(sql, condition.of)}`;
    case "test":
      return sql`coalesce(${testOf(sql, condition)}, ${condition.operator === "ne"})`;
  }
}

function joined(sql: Sql, conditions: readonly Condition[], empty: Fragment, separator: Fragment): Fragment {
  const [first, ...others] = conditions.map((condition) => whereCondition(sql, condition));
  if (first === undefined) return empty;
  return sql`(${others.reduce((all, one) => sql`${all}${separator}${one}`, first)})`;
}

function testOf(sql: Sql, test: FieldTest): Fragment {
  if (typeof test.field === "object") return metadataTest(sql, test, test.field.metadata);
  return columnTest(sql, test, columnOf(sql, test.field));
}

/** Values of fields, each with the cast that makes an operand comparable with it. Texts compare by their bytes. */
function columnOf(sql: Sql, field: FieldName): { value: Fragment; cast: Fragment; kind: "text" | "number" | "time" } {
  const text = (value: Fragment) => ({ value, cast: sql`::text collate "C"`, kind: "text" as const });
  const time = (value: Fragment) => ({ value, cast: sql`::timestamptz`, kind: "time" as const });
  switch (field) {
    case "memoryId":
      return text(sql`v.memory_id`);
    case "memoryType":
      return text(sql`(d.document ->> 'memoryType') collate "C"`);
    case "privacy":
      return text(sql`(d.document ->> 'privacy') collate "C"`);
    case "embeddingModel":
      return text(sql`(d.document ->> 'embeddingModel') collate "C"`);
    case "importance":
      return { value: sql`(d.document -> 'importance')::numeric`, cast: sql`::text::numeric`, kind: "number" };
    case "createdAt":
      return time(sql`coalesce(v.created_at, v.modified_at)`); // Null: not moved from the tables of before migration 19.
    case "modifiedAt":
      return time(sql`v.modified_at`);
    case "expiresAt":
      return time(sql`v.expires_at`);
  }
}

function columnTest(sql: Sql, { operator, value }: FieldTest, column: ReturnType<typeof columnOf>): Fragment {
  const operand = (one: Scalar) => sql`${spelled(one, column.kind)}${column.cast}`;
  switch (operator) {
    case "exists":
      return sql`(${column.value} is not null) = ${value as boolean}::boolean`;
    case "in": {
      const list = arrayLiteral((value as readonly Scalar[]).map((one) => spelled(one, column.kind)));
      if (column.kind === "text") return sql`${column.value} = any (${list}::text::text[])`;
      if (column.kind === "number") return sql`${column.value} = any (${list}::text::numeric[])`;
      return sql`${column.value} = any (${list}::text::timestamptz[])`;
    }
    case "prefix":
      return sql`starts_with(${column.value}, ${value as string}::text)`;
    case "contains":
      return sql`false`; // No field but an entry of metadata is a list; the schema refuses the operator elsewhere.
    default:
      return sql`${column.value} ${comparison(sql, operator)} ${operand(value as Scalar)}`;
  }
}

/** An operand as text that its column's type reads exactly. */
function spelled(value: Scalar, kind: "text" | "number" | "time"): string {
  return kind === "time" ? new Date(value as number).toISOString() : String(value);
}

/** Strict: through objects only. Silent: null where the path leads nowhere. */
function metadataTest(sql: Sql, { operator, value }: FieldTest, names: readonly string[]): Fragment {
  const path = `strict $."metadata"${names.map((name) => `.${JSON.stringify(name)}`).join("")}`;
  const entry = sql`jsonb_path_query_first(d.document, ${path}::text::jsonpath, '{}', true)`;
  const json = (one: unknown) => sql`${JSON.stringify(one)}::text::jsonb`;
  switch (operator) {
    case "eq":
      return sql`${entry} = ${json(value)}`;
    case "ne":
      return sql`${entry} <> ${json(value)}`;
    case "in":
      return sql`${entry} = any (array(select jsonb_array_elements(${json(value)})))`;
    case "exists":
      return sql`(${entry} is not null) = ${value as boolean}::boolean`;
    case "contains":
      return sql`jsonb_typeof(${entry}) = 'array' and ${entry} @> ${json([value])}`;
    case "prefix":
      return sql`jsonb_typeof(${entry}) = 'string' and starts_with(${entry} #>> '{}', ${value as string}::text)`;
    default:
      if (typeof value === "number") {
        // A condition of `and` may be evaluated in any order, and a text is no number: only `case` keeps to its order.
        return sql`case when jsonb_typeof(${entry}) = 'number'
          then (${entry})::numeric ${comparison(sql, operator)} ${String(value)}::text::numeric else false end`;
      }
      return sql`jsonb_typeof(${entry}) = 'string'
        and (${entry} #>> '{}') collate "C" ${comparison(sql, operator)} ${value as string}::text`;
  }
}

function comparison(sql: Sql, operator: FieldTest["operator"]): Fragment {
  switch (operator) {
    case "gt":
      return sql`>`;
    case "gte":
      return sql`>=`;
    case "lt":
      return sql`<`;
    case "lte":
      return sql`<=`;
    case "ne":
      return sql`<>`;
    default:
      return sql`=`;
  }
}
