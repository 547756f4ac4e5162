import type { Sql } from "../../drivers/postgres/postgres-access.ts";

/** A definition that was made over the API. */
export interface DefinitionRow {
  readonly id: string;
  /** JSON, without secrets. */
  readonly definition: string;
  /** Encrypted; null: none. */
  readonly secrets: Buffer | null;
  readonly revision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export async function listDefinitions(sql: Sql, limit: number): Promise<DefinitionRow[]> {
  return await sql<DefinitionRow[]>`${columns(sql)} order by id limit ${limit}`;
}

export async function readDefinition(sql: Sql, id: string): Promise<DefinitionRow | null> {
  const [row] = await sql<DefinitionRow[]>`${columns(sql)} where id = ${id}`;
  return row ?? null;
}

/** The columns that a caller gives. The table adds the revision and the times. */
export type OwnFields = Pick<DefinitionRow, "id" | "definition" | "secrets">;

/** @returns its revision; null where there is one of this id, or `max` of them: nothing was kept. */
export async function insertDefinition(
  sql: Sql,
  { id, definition, secrets }: OwnFields,
  max: number,
): Promise<number | null> {
  const [row] = await sql<{ revision: number }[]>`
    insert into mnemosync.connectors (id, definition, secrets)
    select ${id}, ${definition}::text::json, ${secrets}::bytea
    where (select count(*) from mnemosync.connectors) < ${max}
    on conflict (id) do nothing
    returning revision::float8 as revision`;
  return row?.revision ?? null;
}

/** @param revision the one that is replaced; null: whichever there is. @returns the new one; null where there is none. */
export async function replaceDefinition(
  sql: Sql,
  { id, definition, secrets }: OwnFields,
  revision: number | null,
): Promise<number | null> {
  const [row] = await sql<{ revision: number }[]>`
    update mnemosync.connectors
    set definition = ${definition}::text::json, secrets = ${secrets}::bytea, revision = revision + 1,
        updated_at = clock_timestamp()
    where id = ${id} and (${revision}::float8 is null or revision = ${revision}::float8)
    returning revision::float8 as revision`;
  return row?.revision ?? null;
}

/** Removes a definition with all that is known of its connector. @returns false where there was none. */
export async function removeDefinition(sql: Sql, id: string): Promise<boolean> {
  const [row] = await sql<{ removed: number }[]>`
    with states as (
      select c.id from (values (${id}), (${`${id}/to`})) as c (id)
    ), gone as (delete from mnemosync.connectors where id = ${id} returning 1),
    a as (delete from mnemosync.connector_states using states s where connector = s.id),
    b as (delete from mnemosync.connector_runs using states s where connector = s.id),
    c as (delete from mnemosync.connector_items using states s where connector = s.id),
    d as (delete from mnemosync.connector_dead_letters using states s where connector = s.id),
    e as (delete from mnemosync.connector_records using states s where connector = s.id)
    select count(*)::int as removed from gone`;
  return row?.removed === 1;
}

function columns(sql: Sql) {
  return sql`
    select id, definition::text as definition, secrets, revision::float8 as revision,
           extract(epoch from created_at)::float8 * 1000 as "createdAt",
           extract(epoch from updated_at)::float8 * 1000 as "updatedAt"
    from mnemosync.connectors`;
}
