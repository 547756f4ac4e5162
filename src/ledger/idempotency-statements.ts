import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { isBeyondRetention } from "./stored-times.ts";

/** A write's claim to an idempotency key: at most one transaction per namespace, caller, key and part is committed. */
export interface KeyClaim {
  /** All namespaces of the request, in order and each once: the key is taken in each of them. */
  readonly namespaces: readonly string[];
  /** Empty: the caller gave no name. */
  readonly caller: string;
  /** Any text of 1 to 128 characters. */
  readonly key: string;
  /** Of a batch of many transactions: the number of the chunk, from 0. */
  readonly part: number;
  /** Equal for equal requests alone. */
  readonly fingerprint: string;
}

/** A key that an earlier transaction took. */
export interface TakenKey {
  readonly transactionId: string;
  /** Null: taken by a program from before migration 13. */
  readonly fingerprint: string | null;
  /** The answer of the first call, as `keepAnswer` was given it. */
  readonly answer: readonly unknown[];
}

/**
 * Claims a key within the transaction of its write. While another transaction holds an uncommitted claim to it, this waits.
 * Rows are claimed in the order of the namespaces, and before any memory's row is locked, so that two repeats cannot wait
 * for each other.
 * @returns how many of the namespaces were claimed: fewer than asked for when the key is taken.
 */
export async function claimKey(sql: Sql, claim: KeyClaim, transactionId: string): Promise<number> {
  const [row] = await sql<{ claimed: number }[]>`
    with claimed as (
      insert into mnemosync.idempotency_keys (namespace, caller, key, part, fingerprint, tx_id)
      select n.namespace, ${claim.caller}, ${claim.key}, ${claim.part}, ${claim.fingerprint}, ${transactionId}
      from unnest(${arrayLiteral(claim.namespaces)}::text::text[]) as n (namespace)
      where not exists (
        select from mnemosync.idempotency_keys o
        where o.fingerprint is null and o.key = ${claim.key} and o.part = ${claim.part}
          and o.namespace in (n.namespace, ''))
      order by n.namespace collate "C"
      on conflict do nothing
      returning 1
    )
    select count(*)::int as claimed from claimed`;
  return row?.claimed ?? 0;
}

/** The transactions that have the key in any of the claim's namespaces; none when it is free by now. */
export async function readTakenKeys(sql: Sql, claim: KeyClaim, transactionId: string): Promise<TakenKey[]> {
  const rows = await sql<{ tx_id: string; fingerprint: string | null; answer: string }[]>`
    select distinct tx_id, fingerprint, answer::text as answer
    from mnemosync.idempotency_keys
    where key = ${claim.key} and part = ${claim.part} and tx_id <> ${transactionId}
      and (namespace = any (${arrayLiteral(claim.namespaces)}::text::text[]) or namespace = '')
      and (caller = ${claim.caller} or fingerprint is null)`;
  return rows.map((row) => {
    const answer: unknown = JSON.parse(row.answer);
    return { transactionId: row.tx_id, fingerprint: row.fingerprint, answer: Array.isArray(answer) ? answer : [] };
  });
}

/** Keeps the answer that a repeat is given, in the transaction that claimed the key. */
export async function keepAnswer(
  sql: Sql,
  claim: KeyClaim,
  transactionId: string,
  answer: readonly unknown[],
): Promise<void> {
  await sql`
    update mnemosync.idempotency_keys set answer = ${JSON.stringify(answer)}::text::jsonb
    where namespace = any (${arrayLiteral(claim.namespaces)}::text::text[]) and caller = ${claim.caller}
      and key = ${claim.key} and part = ${claim.part} and tx_id = ${transactionId}`;
}

/**
 * How far the stores are with memories of a committed transaction.
 * @param stores ids of the stores that the answer tells of.
 * @returns `<store> <key text>` for each store that is not known to have the memory.
 */
export async function readPendingStores(
  sql: Sql,
  transactionId: string,
  keys: readonly MemoryKey[],
  stores: readonly StoreId[],
): Promise<ReadonlySet<string>> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  const rows = await sql<{ store: string; namespace: string; memory_id: string }[]>`
    select s.store, k.namespace, k.memory_id
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id),
         unnest(${arrayLiteral(stores)}::text::text[]) as s (store)
    where exists (select 1 from mnemosync.sync_transactions where tx_id = ${transactionId} and state = 'committed')
       or exists (
         select 1 from mnemosync.sync_queue q
         where q.store = s.store and q.namespace = k.namespace and q.memory_id = k.memory_id)`;
  return new Set(
    rows.map(({ store, namespace, memory_id: memoryId }) => `${store} ${keyText({ namespace, memoryId })}`),
  );
}

/** Forgets keys that were claimed longer ago than `retentionMs`, milliseconds. @returns how many rows. */
export async function pruneIdempotencyKeys(sql: Sql, retentionMs: number, limit: number): Promise<number> {
  const pruned = await sql`
    delete from mnemosync.idempotency_keys
    where ctid = any (array(
      select ctid from mnemosync.idempotency_keys
      where ${isBeyondRetention(sql, sql`created_at`, retentionMs)}
      order by created_at
      limit ${limit}
      for update skip locked))`;
  return pruned.count;
}
