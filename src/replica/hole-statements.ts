import type { MemoryKey } from "../domain/keys.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { keyLiterals } from "../ledger/arrays.ts";
import { type Fence, holdsFence } from "./cursor-statements.ts";
import { letterRows, type NewLetter } from "./letter-statements.ts";

/*
 * A hole: a memory that the replica refused, as the replica itself knows it, in its own table of letters. It is kept before the
 * place passes what was refused, and goes once the letter was delivered. So a replica that is put back to a copy of between these
 * moments says by itself what it lacks: the primary's letter is gone by then.
 */

/** @returns false: fenced off. */
export async function keepHoles(
  sql: Sql,
  fence: Fence,
  store: string,
  letters: readonly NewLetter[],
): Promise<boolean> {
  const [row] = await sql<{ passed: boolean }[]>`
    with fence as materialized (
      select 1 from mnemosync.replica_cursor where ${holdsFence(sql, fence)} for key share
    ), kept as (
      insert into mnemosync.replica_dead_letters as l
        (id, store, operation, namespace, memory_id, data, last_error, next_attempt_at)
      select k.id, ${store}, k.operation, k.namespace, k.memory_id, k.data::json, k.last_error, clock_timestamp()
      from ${letterRows(sql, letters)}
      where exists (select from fence)
      order by k.namespace collate "C", k.memory_id collate "C"
      on conflict (namespace, memory_id, store) do update set
        id = excluded.id, operation = excluded.operation, data = excluded.data, last_error = excluded.last_error
    )
    select exists (select from fence) as passed`;
  return row?.passed ?? false;
}

/** Holes in the order of ids, behind `after`. */
export async function listHoles(sql: Sql, store: string, after: string, limit: number): Promise<NewLetter[]> {
  return await sql<NewLetter[]>`
    select id, operation, namespace, memory_id as "memoryId", data::text as data, last_error as "lastError"
    from mnemosync.replica_dead_letters
    where store = ${store} and id > ${after}
    order by replica_dead_letters.id limit ${limit}`;
}

/** The replica has this memory as the primary has it. @returns false: fenced off. */
export async function closeHole(
  sql: Sql,
  fence: Fence,
  store: string,
  { namespace, memoryId }: MemoryKey,
): Promise<boolean> {
  const [row] = await sql<{ passed: boolean }[]>`
    with fence as materialized (
      select 1 from mnemosync.replica_cursor where ${holdsFence(sql, fence)} for key share
    ), closed as (
      delete from mnemosync.replica_dead_letters
      where store = ${store} and namespace = ${namespace} and memory_id = ${memoryId} and exists (select from fence)
    )
    select exists (select from fence) as passed`;
  return row?.passed ?? false;
}

/** Memories of which a change behind the refused one was taken: what refused it may be over. */
export async function listOvertaken(sql: Sql, store: string, limit: number): Promise<MemoryKey[]> {
  return await sql<MemoryKey[]>`
    select l.namespace, l.memory_id as "memoryId"
    from mnemosync.replica_dead_letters l
    join mnemosync.memory_versions v
      on v.namespace = l.namespace and v.memory_id = l.memory_id and v.version > (l.data ->> 'version')::bigint
    where l.store = ${store}
    limit ${limit}`;
}

/** What was taken so far overtakes these holes no more. */
export async function noteOvertaken(sql: Sql, store: string, keys: readonly MemoryKey[]): Promise<void> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  await sql`
    update mnemosync.replica_dead_letters l
    set data = jsonb_set(l.data::jsonb, '{version}', to_jsonb(v.version))::json
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    join mnemosync.memory_versions v on v.namespace = k.namespace and v.memory_id = k.memory_id
    where l.store = ${store} and l.namespace = k.namespace and l.memory_id = k.memory_id`;
}
