import type { Sql } from "../../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "../../ledger/arrays.ts";
import type { Checkpoint, DeadLetter, KnownItem } from "../state/state.ts";
import { heldState, runUpdate, type StateWriter } from "./state-statements.ts";

/**
 * Keeps what one page of a source has done, in one statement.
 * @param namespace that of the memories. @returns false when another process has the connector: nothing was kept.
 */
export async function keepPage(
  sql: Sql,
  state: StateWriter,
  namespace: string,
  { run, items, deadLetters, settled }: Checkpoint,
): Promise<boolean> {
  const { connector } = state;
  const [row] = await sql<{ held: number }[]>`
    with held as materialized (${heldState(sql, state)}), ran as (${runUpdate(sql, connector, run)}),
    kept as (
      insert into mnemosync.connector_items as i (connector, id, memory_id, hash, seen_in, state)
      select held.connector, p.id, p."memoryId", p.hash, p."seenIn", p.state
      from held, json_to_recordset(${JSON.stringify(items)}::text::json)
        as p (id text, "memoryId" text, hash text, "seenIn" text, state text)
      on conflict (connector, id) do update set
        memory_id = excluded.memory_id, hash = excluded.hash, seen_in = excluded.seen_in, state = excluded.state
    ), done as (
      delete from mnemosync.connector_dead_letters d using held
      where d.connector = held.connector and d.item_id = any (${arrayLiteral(settled)}::text::text[])
    ), dead as (
      insert into mnemosync.connector_dead_letters as d
        (connector, item_id, namespace, memory_id, code, reason, at, payload)
      select held.connector, p."itemId", ${namespace}, p."memoryId", p.code, p.reason, to_timestamp(p.at / 1000), p.payload
      from held, json_to_recordset(${JSON.stringify(deadLetters)}::text::json)
        as p ("itemId" text, "memoryId" text, code text, reason text, at float8, payload text)
      on conflict (connector, item_id) do update set
        namespace = excluded.namespace, memory_id = excluded.memory_id, code = excluded.code, reason = excluded.reason,
        attempts = d.attempts + 1, at = excluded.at, payload = excluded.payload
    )
    select count(*)::int as held from held`;
  return row?.held === 1;
}

export async function readItems(sql: Sql, connector: string, ids: readonly string[]): Promise<KnownItem[]> {
  return await sql<KnownItem[]>`
    select id, memory_id as "memoryId", hash, seen_in as "seenIn", state from mnemosync.connector_items
    where connector = ${connector} and id = any (${arrayLiteral(ids)}::text::text[])`;
}

/** Imported items that a run has not seen, in the order of their ids. */
export async function listUnseen(
  sql: Sql,
  connector: string,
  { runId, after, limit }: { readonly runId: string; readonly after: string; readonly limit: number },
): Promise<KnownItem[]> {
  return await sql<KnownItem[]>`
    select id, memory_id as "memoryId", hash, seen_in as "seenIn", state from mnemosync.connector_items
    where connector = ${connector} and id > ${after} and state = 'imported' and seen_in <> ${runId}
    order by id limit ${limit}`;
}

/** Items in some state, in the order of their ids. @param after an id: those behind it. */
export async function listItemsInState(
  sql: Sql,
  connector: string,
  { state, after, limit }: { readonly state: KnownItem["state"]; readonly after: string; readonly limit: number },
): Promise<KnownItem[]> {
  return await sql<KnownItem[]>`
    select id, memory_id as "memoryId", hash, seen_in as "seenIn", state from mnemosync.connector_items
    where connector = ${connector} and id > ${after} and state = ${state}
    order by id limit ${limit}`;
}

export async function countImported(sql: Sql, connector: string): Promise<number> {
  const [row] = await sql<{ items: number }[]>`
    select count(*)::int as items from mnemosync.connector_items where connector = ${connector} and state = 'imported'`;
  return row?.items ?? 0;
}

/** Which letters to list, the oldest first. */
export interface LetterQuery {
  /** The item of a letter: those behind it; null: from the oldest on. */
  readonly after?: string | null;
  /** Null: all. */
  readonly itemIds?: readonly string[] | null;
  readonly limit: number;
}

export async function listLetters(
  sql: Sql,
  connector: string,
  { after = null, itemIds = null, limit }: LetterQuery,
): Promise<DeadLetter[]> {
  const ids = itemIds === null ? null : arrayLiteral(itemIds);
  return await sql<DeadLetter[]>`
    select item_id as "itemId", memory_id as "memoryId", code, reason, attempts,
           round(extract(epoch from at) * 1000)::float8 as at, payload
    from mnemosync.connector_dead_letters
    where connector = ${connector} and (${after}::text is null or seq > (
      select seq from mnemosync.connector_dead_letters where connector = ${connector} and item_id = ${after}))
      and (${ids}::text is null or item_id = any (${ids}::text::text[]))
    order by seq limit ${limit}`;
}

export async function countLetters(sql: Sql, connector: string): Promise<number> {
  const [row] = await sql<{ letters: number }[]>`
    select count(*)::int as letters from mnemosync.connector_dead_letters where connector = ${connector}`;
  return row?.letters ?? 0;
}

/** @param itemIds null: all. @returns how many there were. */
export async function dropLetters(sql: Sql, connector: string, itemIds: readonly string[] | null): Promise<number> {
  const ids = itemIds === null ? null : arrayLiteral(itemIds);
  const dropped = await sql`
    delete from mnemosync.connector_dead_letters
    where connector = ${connector} and (${ids}::text is null or item_id = any (${ids}::text::text[]))`;
  return dropped.count;
}
