import type { MemoryKey } from "../domain/keys.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "../ledger/arrays.ts";
import { PRUNED_THROUGH } from "../ledger/past-statements.ts";
import { type Fence, holdsFence } from "./cursor-statements.ts";

/*
 * A version below its memory's current one that the primary does not have was pruned there, or was lost when the primary was put
 * back. Its transaction tells: the primary has those of what it pruned, or has pruned them too.
 */

/** A version in the replica's history. */
export interface PastVersion extends MemoryKey {
  readonly version: number;
  readonly transactionId: string;
}

/** In the replica: transactions that wrote replaced versions of memories, in order, behind `after`. */
export async function listPastTransactions(
  sql: Sql,
  keys: readonly MemoryKey[],
  after: string,
  limit: number,
): Promise<string[]> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  const rows = await sql<{ tx_id: string }[]>`
    select distinct b.tx_id
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    cross join lateral (
      select b.tx_id from mnemosync.memory_versions v
      join mnemosync.memory_bodies b
        on b.namespace = v.namespace and b.memory_id = v.memory_id and b.version < v.version
      where v.namespace = k.namespace and v.memory_id = k.memory_id offset 0
    ) b
    where b.tx_id > ${after}
    order by b.tx_id limit ${limit}`;
  return rows.map(({ tx_id: transactionId }) => transactionId);
}

/**
 * In the replica: transactions of current versions among the newest ones that were written here. Some may stand beyond its place: a
 * process that ended between the data and the place leaves them. Only what was written since the replica reads its epoch: the primary
 * may lack older ones, and that is known. Memories that were refused are mended by their letters.
 * @param limit versions that are looked at: as many as are under way at a time.
 */
export async function listNewestTransactions(sql: Sql, limit: number): Promise<string[]> {
  const rows = await sql<{ tx_id: string }[]>`
    select distinct b.tx_id
    from (
      select * from mnemosync.memory_bodies
      where xid >= (select epoch_xid from mnemosync.replica_cursor)
      order by xid desc, seq desc limit ${limit}
    ) b
    join mnemosync.memory_versions v
      on v.namespace = b.namespace and v.memory_id = b.memory_id and v.version = b.version and v.tx_id = b.tx_id
    where not exists (
      select from mnemosync.replica_dead_letters d where d.namespace = b.namespace and d.memory_id = b.memory_id)`;
  return rows.map(({ tx_id: transactionId }) => transactionId);
}

/** In the primary: up to which transaction they may have been pruned; empty: none was. */
export async function readPrunedThrough(sql: Sql): Promise<string> {
  const [row] = await sql<{ value: string }[]>`
    select value from mnemosync.sync_meta where name = ${PRUNED_THROUGH}`;
  return row?.value ?? "";
}

/** In the primary: those of the transactions that it does not have. */
export async function readLackingTransactions(sql: Sql, transactionIds: readonly string[]): Promise<string[]> {
  const rows = await sql<{ tx_id: string }[]>`
    select k.tx_id from unnest(${arrayLiteral(transactionIds)}::text::text[]) as k (tx_id)
    where not exists (select from mnemosync.sync_transactions t where t.tx_id = k.tx_id)`;
  return rows.map(({ tx_id: transactionId }) => transactionId);
}

/** In the replica: replaced versions of memories that these transactions wrote, in order, behind `after`. */
export async function listPastVersions(
  sql: Sql,
  keys: readonly MemoryKey[],
  transactionIds: readonly string[],
  after: PastVersion | null,
  limit: number,
): Promise<PastVersion[]> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  const { namespace, memoryId, version } = after ?? { namespace: "", memoryId: "", version: 0 };
  return await sql<PastVersion[]>`
    select b.namespace, b.memory_id as "memoryId", b.version::float8 as version, b.tx_id as "transactionId"
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    cross join lateral (
      select b.namespace, b.memory_id, b.version, b.tx_id from mnemosync.memory_versions v
      join mnemosync.memory_bodies b
        on b.namespace = v.namespace and b.memory_id = v.memory_id and b.version < v.version
      where v.namespace = k.namespace and v.memory_id = k.memory_id offset 0
    ) b
    where b.tx_id = any (${arrayLiteral(transactionIds)}::text::text[])
      and (b.namespace, b.memory_id, b.version) > (${namespace}::text, ${memoryId}::text, ${version}::bigint)
    order by b.namespace, b.memory_id, b.version limit ${limit}`;
}

/** In the primary: those of the versions that it has not. An import that a program from before made has no transaction, and is there. */
export async function readLackingVersions(sql: Sql, versions: readonly PastVersion[]): Promise<PastVersion[]> {
  const [namespaces, memoryIds] = keyLiterals(versions);
  return await sql<PastVersion[]>`
    select k.namespace, k.memory_id as "memoryId", k.version::float8 as version, k.tx_id as "transactionId"
    from unnest(
      ${namespaces}::text::text[], ${memoryIds}::text::text[],
      ${arrayLiteral(versions.map(({ version }) => version))}::text::bigint[],
      ${arrayLiteral(versions.map(({ transactionId }) => transactionId))}::text::text[]
    ) as k (namespace, memory_id, version, tx_id)
    where not exists (
      select from mnemosync.memory_bodies b
      where b.namespace = k.namespace and b.memory_id = k.memory_id and b.version = k.version and b.tx_id = k.tx_id)`;
}

/** In the replica: moves versions to `diverged`, but what the primary withholds now. @returns how many; null: fenced off. */
export async function divertVersions(sql: Sql, fence: Fence, versions: readonly PastVersion[]): Promise<number | null> {
  const [namespaces, memoryIds] = keyLiterals(versions);
  const [answer] = await sql<{ passed: boolean; diverged: number }[]>`
    with fence as materialized (
      select 1 from mnemosync.replica_cursor where ${holdsFence(sql, fence)} for key share
    ), lost as (
      delete from mnemosync.memory_bodies b
      using unnest(
        ${namespaces}::text::text[], ${memoryIds}::text::text[],
        ${arrayLiteral(versions.map(({ version }) => version))}::text::bigint[],
        ${arrayLiteral(versions.map(({ transactionId }) => transactionId))}::text::text[]
      ) as k (namespace, memory_id, version, tx_id)
      where b.namespace = k.namespace and b.memory_id = k.memory_id and b.version = k.version and b.tx_id = k.tx_id
        and exists (select from fence)
        and exists (select from mnemosync.memory_versions v
                    where v.namespace = b.namespace and v.memory_id = b.memory_id and v.version > b.version)
      returning b.*
    ), kept as (
      insert into mnemosync.diverged
        (namespace, memory_id, version, tx_id, checksum, version_vector, modified_at, ended_by, document, embedding, found_epoch)
      select l.namespace, l.memory_id, l.version, l.tx_id, l.checksum, l.version_vector, l.modified_at, l.ended_by, l.document,
             l.embedding, ${fence.epoch}
      from lost l
      join mnemosync.memory_versions v on v.namespace = l.namespace and v.memory_id = l.memory_id
      left join mnemosync.memory_bodies p
        on p.namespace = v.namespace and p.memory_id = v.memory_id and p.version = v.version
      where p.version is null or not (coalesce(p.ended_by in ('withdrawn', 'erased'), false)
        or coalesce(p.document ->> 'privacy' = 'redacted' and l.document ->> 'privacy' = 'full', false))
      on conflict do nothing
      returning 1
    )
    select exists (select from fence) as passed, (select count(*)::int from kept) as diverged`;
  return answer?.passed === true ? answer.diverged : null;
}
