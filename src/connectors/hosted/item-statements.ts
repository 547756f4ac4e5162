import type { Fragment, Sql } from "../../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "../../ledger/arrays.ts";
import type { Checkpoint, DeadLetter, KnownItem } from "../state/state.ts";
import { heldState, runUpdate, type StateWriter } from "./state-statements.ts";

/**
 * Keeps what one page of a source has done, in one statement. A dead letter of a memory that was erased, or is being erased,
 * is not kept: its payload is what the erasure removes.
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
      where not exists (
        select from mnemosync.suppressed s where s.namespace = ${namespace} and s.memory_id = p."memoryId")
      order by p."itemId" collate "C"
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

/** A dead letter, and its place among those of its connector: it keeps the place however often it is tried again. */
export type PlacedLetter = DeadLetter & { readonly seq: number };

export interface LetterQuery {
  /** The place of a letter, which may be gone: those behind it. Places begin with 1. */
  readonly after: number;
  readonly limit: number;
  /** Bytes of payloads, at most, but for one letter. @default any */
  readonly bytesMax?: number;
}

/** The oldest first. @returns `more`: whether others follow that are within the limit, and not within the bytes. */
export async function listLetters(
  sql: Sql,
  connector: string,
  { after, limit, bytesMax = Number.MAX_SAFE_INTEGER }: LetterQuery,
): Promise<{ readonly letters: PlacedLetter[]; readonly more: boolean }> {
  const rows = await sql<(PlacedLetter & { found: number })[]>`
    select ${letterColumns(sql)}, seq::float8 as seq, found::int as found
    from (
      select l.*, count(*) over () as found,
             sum(octet_length(payload)) over (order by seq) - octet_length(payload) as bytes_before
      from (
        select * from mnemosync.connector_dead_letters d where connector = ${connector} and seq > ${after}
        order by d.seq limit ${limit}
      ) l
    ) p
    where bytes_before < ${bytesMax}
    order by p.seq`;
  const letters = rows.map(({ found: _, ...letter }) => letter);
  return { letters, more: letters.length < (rows[0]?.found ?? 0) };
}

/** Letters of some items, the oldest first. */
export async function readLetters(sql: Sql, connector: string, itemIds: readonly string[]): Promise<DeadLetter[]> {
  return await sql<DeadLetter[]>`
    select ${letterColumns(sql)} from mnemosync.connector_dead_letters
    where connector = ${connector} and item_id = any (${arrayLiteral(itemIds)}::text::text[])
    order by seq`;
}

/** Items of all letters, the oldest first: without payloads there may be as many as a connector has at most. */
export async function listLetterIds(sql: Sql, connector: string): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select item_id as id from mnemosync.connector_dead_letters where connector = ${connector} order by seq`;
  return rows.map(({ id }) => id);
}

function letterColumns(sql: Sql): Fragment {
  return sql`
    item_id as "itemId", memory_id as "memoryId", code, reason, attempts,
    round(extract(epoch from at) * 1000)::float8 as at, payload`;
}

export async function countLetters(sql: Sql, connector: string): Promise<number> {
  const [row] = await sql<{ letters: number }[]>`
    select count(*)::int as letters from mnemosync.connector_dead_letters where connector = ${connector}`;
  return row?.letters ?? 0;
}

/** @returns how many letters there are, without those of `itemIds`. */
export async function countLettersBeside(sql: Sql, connector: string, itemIds: readonly string[]): Promise<number> {
  const [row] = await sql<{ letters: number }[]>`
    select count(*)::int as letters from mnemosync.connector_dead_letters
    where connector = ${connector} and item_id <> all (${arrayLiteral(itemIds)}::text::text[])`;
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
