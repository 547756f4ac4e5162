import type { MemoryKey } from "../domain/keys.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import type { AwaitedStore, ErasureConfirmation } from "./erasure-confirmation-statements.ts";

/** What an erasure covers. */
export type ErasureKind = "memory" | "namespace" | "filter";

/** A request to erase, before it is kept. */
export interface NewErasure {
  /** ULID. */
  readonly id: string;
  readonly kind: ErasureKind;
  readonly namespace: string;
  /** Of kind `memory`. */
  readonly memoryId: string | null;
  /** JSON text, of kind `filter`. */
  readonly filter: string | null;
  readonly actor: string | null;
  readonly reason: string | null;
  /** Whose limit of open erasures it counts to; null: nobody's. */
  readonly owner: string | null;
  readonly nodeId: string;
}

/** An erasure as the ledger keeps it. Times are milliseconds since 1970. */
export interface ErasureRow extends NewErasure {
  readonly requestedAt: number;
  /** The last memory id that was listed; null: none was. */
  readonly listAfter: string | null;
  readonly listedAt: number | null;
  readonly scrubbedAt: number | null;
  /** Memories listed, and those of them that are erased. */
  readonly listed: number;
  readonly erased: number;
  /** JSON text: rows with content that the last look found, by table. */
  readonly proof: string | null;
}

/**
 * Keeps a request, unless its namespace or its owner has `openMax` erasures whose memories are not all scrubbed. A few more
 * get through where several come at one moment.
 * @returns what has that many: nothing is kept then. Null: it is kept.
 */
export async function insertErasure(
  sql: Sql,
  erasure: NewErasure,
  openMax: number,
): Promise<"namespace" | "owner" | null> {
  const { id, kind, namespace, memoryId, filter, actor, reason, owner, nodeId } = erasure;
  const [row] = await sql<{ namespaceIsFull: boolean; ownerIsFull: boolean }[]>`
    with open as materialized (
      select count(*) filter (where o.namespace = ${namespace}) >= ${openMax} as namespace_is_full,
             count(*) filter (where o.owner = ${owner}) >= ${openMax} as owner_is_full
      from mnemosync.erasures o where o.scrubbed_at is null and (o.namespace = ${namespace} or o.owner = ${owner})
    ), inserted as (
      insert into mnemosync.erasures (id, kind, namespace, memory_id, filter, actor, reason, owner, node_id)
      select ${id}, ${kind}, ${namespace}, ${memoryId}, ${filter}::text::json, ${actor}, ${reason}, ${owner}, ${nodeId}
      from open where not namespace_is_full and not owner_is_full
    )
    select namespace_is_full as "namespaceIsFull", owner_is_full as "ownerIsFull" from open`;
  if (row?.namespaceIsFull) return "namespace";
  return row?.ownerIsFull ? "owner" : null;
}

/** Null: there is none. */
export async function readErasure(sql: Sql, id: string): Promise<ErasureRow | null> {
  const [row] = await sql<ErasureRow[]>`select ${columns(sql)} from mnemosync.erasures e where e.id = ${id}`;
  return row ?? null;
}

/** An erasure, and what its stores say. */
export interface ErasureReceipt extends ErasureRow {
  readonly confirmations: readonly ErasureConfirmation[];
  /**
   * Stores that have not confirmed: shared ones of the deployment, and those of nodes that ran within `seenMs` milliseconds
   * before it was requested, or since.
   */
  readonly awaited: readonly AwaitedStore[];
}

/** Which receipts to read: one, or a page of them, those before another one and of some namespaces. */
export interface ReceiptQuery {
  readonly id: string | null;
  readonly namespaces: readonly string[] | null;
  readonly before: string | null;
  readonly limit: number;
}

/** Receipts, newest first, with what all stores say, in one statement. @param seenMs see `ErasureReceipt.awaited`. */
export async function readReceipts(sql: Sql, query: ReceiptQuery, seenMs: number): Promise<ErasureReceipt[]> {
  const namespaces = query.namespaces === null ? null : arrayLiteral(query.namespaces);
  const rows = await sql<(ErasureRow & { confirmations: string; awaited: string })[]>`
    with page as materialized (
      select e.* from mnemosync.erasures e
      where (${query.id}::text is null or e.id = ${query.id})
        and (${namespaces}::text is null or e.namespace = any (${namespaces}::text::text[]))
        and (${query.before}::text is null or e.id < ${query.before})
      order by e.id desc
      limit ${query.limit}
    )
    select ${columns(sql)}, c.confirmations::text as confirmations, a.awaited::text as awaited
    from page e
    cross join lateral (
      select coalesce(json_agg(json_build_object(
               'store', c.store, 'nodeId', c.node_id, 'confirmedAt', extract(epoch from c.confirmed_at)::float8 * 1000,
               'memories', c.memories, 'removed', c.removed) order by c.store, c.node_id), '[]') as confirmations
      from mnemosync.erasure_confirmations c where c.erasure_id = e.id
    ) c
    cross join lateral (
      select coalesce(json_agg(json_build_object('store', w.store, 'nodeId', w.node_id) order by w.store, w.node_id), '[]')
               as awaited
      from (
        select s.id collate "C" as store, '' collate "C" as node_id from mnemosync.stores s
        union
        select n.store, n.node_id from mnemosync.erasure_stores n
        where n.node_id <> '' and n.seen_at > e.requested_at - ${seenMs}::float8 * interval '1 millisecond'
      ) w
      where not exists (
        select from mnemosync.erasure_confirmations c
        where c.erasure_id = e.id and c.store = w.store and c.node_id = w.node_id)
    ) a
    order by e.id desc`;
  return rows.map((row) => ({
    ...row,
    confirmations: JSON.parse(row.confirmations) as ErasureConfirmation[],
    awaited: JSON.parse(row.awaited) as AwaitedStore[],
  }));
}

function columns(sql: Sql) {
  return sql`
    e.id, e.kind, e.namespace, e.memory_id as "memoryId", e.filter::text as filter, e.actor, e.reason, e.owner,
    e.node_id as "nodeId", extract(epoch from e.requested_at)::float8 * 1000 as "requestedAt",
    e.list_after as "listAfter", extract(epoch from e.listed_at)::float8 * 1000 as "listedAt",
    extract(epoch from e.scrubbed_at)::float8 * 1000 as "scrubbedAt", e.proof::text as proof,
    coalesce(e.memories, (select count(*) from mnemosync.suppressed s where s.erasure_id = e.id))::float8 as listed,
    coalesce(e.erased, (
      select count(*) from mnemosync.suppressed s where s.erasure_id = e.id and s.erased_at is not null))::float8 as erased`;
}

/** Erasures that are not through, and that no node has begun within `quietMs` milliseconds: their node may be lost. */
export async function listStalledErasures(sql: Sql, quietMs: number, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from mnemosync.erasures
    where scrubbed_at is null
      and coalesce(attempted_at, requested_at) < clock_timestamp() - ${quietMs}::float8 * interval '1 millisecond'
    order by requested_at
    limit ${limit}`;
  return rows.map(({ id }) => id);
}

export async function markAttempted(sql: Sql, id: string): Promise<void> {
  await sql`update mnemosync.erasures set attempted_at = clock_timestamp() where id = ${id}`;
}

/**
 * Lists memories for an erasure, and the place behind which it goes on. A memory that an earlier erasure has becomes this
 * one's: it is looked for again.
 */
export async function listForErasure(
  sql: Sql,
  id: string,
  keys: readonly MemoryKey[],
  listAfter: string | null,
): Promise<void> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  await sql`
    with listed as (
      insert into mnemosync.suppressed as s (namespace, memory_id, erasure_id)
      select k.namespace, k.memory_id, ${id}
      from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
      order by k.namespace collate "C", k.memory_id collate "C"
      on conflict (namespace, memory_id) do update set erasure_id = excluded.erasure_id, erased_at = null
    )
    update mnemosync.erasures set list_after = ${listAfter} where id = ${id} and listed_at is null`;
}

/** From here on the list is complete, and what was asked for is forgotten. */
export async function endListing(sql: Sql, id: string): Promise<void> {
  await sql`
    update mnemosync.erasures set listed_at = clock_timestamp(), filter = null where id = ${id} and listed_at is null`;
}

/**
 * Memory ids of a namespace that are not erased yet, behind `after`, in order: live ones, ended ones, and those of which only a
 * record of a conflict or a connector's dead letter is kept, since an import, a store or another service brought them.
 */
export async function listToErase(sql: Sql, namespace: string, after: string | null, limit: number): Promise<string[]> {
  const rows = await sql<{ memory_id: string }[]>`
    select memory_id from (
      (select memory_id from mnemosync.memory_versions
       where namespace = ${namespace} and memory_id > ${after ?? ""} and ended_by is distinct from 'erased'
       order by memory_versions.memory_id
       limit ${limit})
      union
      (select distinct c.memory_id from mnemosync.conflict_resolutions c
       where c.namespace = ${namespace} and c.memory_id > ${after ?? ""} and not exists (
         select from mnemosync.memory_versions v where v.namespace = c.namespace and v.memory_id = c.memory_id)
       order by c.memory_id
       limit ${limit})
      union
      (select distinct l.memory_id from mnemosync.connector_dead_letters l
       where l.namespace = ${namespace} and l.memory_id > ${after ?? ""} and not exists (
         select from mnemosync.memory_versions v where v.namespace = l.namespace and v.memory_id = l.memory_id)
       order by l.memory_id
       limit ${limit})
    ) ids
    order by memory_id
    limit ${limit}`;
  return rows.map(({ memory_id }) => memory_id);
}

/** Memories of an erasure in order, behind `after`: all, or those that are not erased yet. */
export async function readListed(
  sql: Sql,
  id: string,
  after: string | null,
  which: "all" | "open",
  limit: number,
): Promise<MemoryKey[]> {
  const rows = await sql<{ namespace: string; memory_id: string }[]>`
    select namespace, memory_id from mnemosync.suppressed
    where erasure_id = ${id} and memory_id > ${after ?? ""} and (${which} = 'all' or erased_at is null)
    order by suppressed.erasure_id, suppressed.memory_id
    limit ${limit}`;
  return rows.map(({ namespace, memory_id: memoryId }) => ({ namespace, memoryId }));
}

/** Ends the work on the ledger, and keeps how many memories it was. @param proof JSON text: rows with content that were found, by table. */
export async function markScrubbed(sql: Sql, id: string, proof: string): Promise<void> {
  await sql`
    update mnemosync.erasures e
    set scrubbed_at = clock_timestamp(), proof = ${proof}::text::json, memories = s.memories, erased = s.erased
    from (
      select count(*) as memories, count(erased_at) as erased from mnemosync.suppressed where erasure_id = ${id}
    ) s
    where e.id = ${id}`;
}

/** Takes memories out of the list: they may be written again. @returns those that were in it. */
export async function dropSuppressed(sql: Sql, keys: readonly MemoryKey[]): Promise<number> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  const dropped = await sql`
    delete from mnemosync.suppressed s
    using unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    where s.namespace = k.namespace and s.memory_id = k.memory_id`;
  return dropped.count;
}
