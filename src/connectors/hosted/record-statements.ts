import type { MemoryKey } from "../../domain/keys.ts";
import type { Fragment, Sql } from "../../drivers/postgres/postgres-access.ts";
import { keyLiterals } from "../../ledger/arrays.ts";
import type { SentRecord, SinkCheckpoint } from "../state/sink-state.ts";
import { cursorText, heldState, runUpdate, type StateWriter } from "./state-statements.ts";

type RecordRow = Omit<SentRecord, "receipt" | "old" | "doomed"> & {
  readonly receipt: string | null;
  readonly old: string;
  readonly doomed: string;
};

/**
 * Keeps records, cursor and run of a sink, in one statement.
 * @returns false when another process has the connector: nothing was kept.
 */
export async function keepRecords(
  sql: Sql,
  state: StateWriter,
  { run, records, cursor, reading }: SinkCheckpoint,
): Promise<boolean> {
  const { connector } = state;
  const rows = records.map((record) => ({ ...record, isDoomed: record.doomed.length > 0 }));
  const [row] = await sql<{ held: number }[]>`
    with held as materialized (${heldState(sql, state)}), ran as (${runUpdate(sql, connector, run)}),
    placed as (
      update mnemosync.connector_states s
      set reading = ${reading},
          cursor = case when ${cursor === undefined}::boolean then s.cursor else ${cursorText(cursor ?? null)}::text::json end
      from held where s.connector = held.connector
    ), kept as (
      insert into mnemosync.connector_records as r
        (connector, namespace, memory_id, version, wanted, ends, hash, name, state, receipt, old, doomed, is_doomed, reason,
         seen_in)
      select held.connector, p.namespace, p."memoryId", p.version, p.wanted, p.ends, p.hash, p.name, p.state, p.receipt, p.old,
             p.doomed, p."isDoomed", p.reason, p."seenIn"
      from held, json_to_recordset(${JSON.stringify(rows)}::text::json)
        as p (namespace text, "memoryId" text, version bigint, wanted bigint, ends boolean, hash text, name text, state text,
              receipt json, old json, doomed json, "isDoomed" boolean, reason text, "seenIn" text)
      on conflict (connector, namespace, memory_id) do update set
        moved = default, version = excluded.version, wanted = excluded.wanted, ends = excluded.ends, hash = excluded.hash,
        name = excluded.name, state = excluded.state, receipt = excluded.receipt, old = excluded.old,
        doomed = excluded.doomed, is_doomed = excluded.is_doomed, reason = excluded.reason, seen_in = excluded.seen_in
    )
    select count(*)::int as held from held`;
  return row?.held === 1;
}

export async function readRecord(sql: Sql, connector: string, key: MemoryKey): Promise<SentRecord | null> {
  const [record] = await select(sql, connector, sql`namespace = ${key.namespace} and memory_id = ${key.memoryId}`, 1);
  return record ?? null;
}

export async function listInState(
  sql: Sql,
  connector: string,
  state: SentRecord["state"],
  limit: number,
): Promise<SentRecord[]> {
  return await select(sql, connector, sql`state = ${state}`, limit);
}

/**
 * Records that failed, by their keys: the order holds while runs try them again.
 * @param after those behind it, whether or not there is such a record; null: from the first on.
 */
export async function listFailed(
  sql: Sql,
  connector: string,
  after: MemoryKey | null,
  limit: number,
): Promise<Pick<SentRecord, "namespace" | "memoryId" | "reason">[]> {
  const { namespace = null, memoryId = null } = after ?? {};
  return await sql<Pick<SentRecord, "namespace" | "memoryId" | "reason">[]>`
    select namespace, memory_id as "memoryId", reason from mnemosync.connector_records
    where connector = ${connector} and state = 'failed'
      and (${namespace}::text is null or (namespace, memory_id) > (${namespace}::text collate "C", ${memoryId}::text collate "C"))
    order by namespace, memory_id limit ${limit}`;
}

export async function listDoomed(sql: Sql, connector: string, limit: number): Promise<SentRecord[]> {
  return await select(sql, connector, sql`is_doomed`, limit);
}

export async function listUnseenRecords(
  sql: Sql,
  connector: string,
  reading: string,
  limit: number,
): Promise<SentRecord[]> {
  return await select(sql, connector, sql`seen_in <> ${reading} and state <> 'gone'`, limit);
}

/** Records that failed are sent again by the next run. @param keys null: all of them. @returns how many. */
export async function requeueFailed(sql: Sql, connector: string, keys: readonly MemoryKey[] | null): Promise<number> {
  const requeued = await sql`
    update mnemosync.connector_records r set state = 'queued', reason = null, moved = default
    where connector = ${connector} and state = 'failed' and ${ofKeys(sql, keys)}`;
  return requeued.count;
}

/**
 * Does without what the service cannot take: nothing of the memory's version is sent again. What is there of an earlier version
 * stays, and is removed with the memory. @returns how many.
 */
export async function forgetFailed(sql: Sql, connector: string, keys: readonly MemoryKey[] | null): Promise<number> {
  const forgotten = await sql`
    update mnemosync.connector_records r set state = 'gone', reason = null, moved = default
    where connector = ${connector} and state = 'failed' and ${ofKeys(sql, keys)}`;
  return forgotten.count;
}

export interface RecordCounts {
  readonly queued: number;
  readonly sent: number;
  readonly delivered: number;
  readonly failed: number;
}

export async function countRecords(sql: Sql, connector: string): Promise<RecordCounts> {
  const [row] = await sql<RecordCounts[]>`
    select count(*) filter (where state = 'queued')::int as queued, count(*) filter (where state = 'sent')::int as sent,
           count(*) filter (where state = 'delivered')::int as delivered, count(*) filter (where state = 'failed')::int as failed
    from mnemosync.connector_records where connector = ${connector}`;
  return row ?? { queued: 0, sent: 0, delivered: 0, failed: 0 };
}

function ofKeys(sql: Sql, keys: readonly MemoryKey[] | null): Fragment {
  if (keys === null) return sql`true`;
  const [namespaces, memoryIds] = keyLiterals(keys);
  return sql`(r.namespace, r.memory_id) in (
    select * from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]))`;
}

async function select(sql: Sql, connector: string, where: Fragment, limit: number): Promise<SentRecord[]> {
  const rows = await sql<RecordRow[]>`
    select namespace, memory_id as "memoryId", version::float8 as version, wanted::float8 as wanted, ends, hash, name, state,
           receipt::text as receipt, old::text as old, doomed::text as doomed, reason, seen_in as "seenIn"
    from mnemosync.connector_records
    where connector = ${connector} and ${where}
    order by moved limit ${Number.isFinite(limit) ? limit : null}::bigint`;
  return rows.map((row) => ({
    ...row,
    receipt: row.receipt === null ? null : (JSON.parse(row.receipt) as unknown),
    old: JSON.parse(row.old) as string[],
    doomed: JSON.parse(row.doomed) as string[],
  }));
}
