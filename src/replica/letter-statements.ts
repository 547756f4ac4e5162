import type { MemoryKey } from "../domain/keys.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "../ledger/arrays.ts";
import type { Operation } from "./replica-write.ts";

/** A memory that the replica refused, as the primary keeps it. Times are milliseconds since 1970. */
export interface Letter extends MemoryKey {
  /** ULID. */
  readonly id: string;
  /** Name of the replica. */
  readonly store: string;
  /** Of the change that was refused last. */
  readonly operation: Operation;
  /** JSON text: version, transaction and time of that change. Never content: the ledger has it. */
  readonly data: string;
  /** When it was refused first. */
  readonly at: number;
  readonly attempts: number;
  readonly lastError: string;
  /** Null of a dead letter: it is not tried again by itself. */
  readonly nextAttemptAt: number | null;
}

export interface NewLetter extends MemoryKey {
  readonly id: string;
  readonly operation: Operation;
  readonly data: string;
  readonly lastError: string;
}

/**
 * Keeps memories that the replica refused; a later change of one that is there replaces what it says, and its attempts begin anew.
 * @returns them, with the ids that they have.
 */
export async function keepLetters(
  sql: Sql,
  store: string,
  letters: readonly NewLetter[],
  retry: { readonly intervalMs: number; readonly retriesMax: number },
): Promise<NewLetter[]> {
  return await sql<NewLetter[]>`
    insert into mnemosync.replica_dead_letters as l
      (id, store, operation, namespace, memory_id, data, last_error, next_attempt_at, dead_at)
    select k.id, ${store}, k.operation, k.namespace, k.memory_id, k.data::json, k.last_error,
           clock_timestamp() + ${retry.intervalMs}::float8 * interval '1 millisecond',
           case when ${retry.retriesMax}::int = 0 then clock_timestamp() end
    from ${letterRows(sql, letters)}
    order by k.namespace collate "C", k.memory_id collate "C"
    on conflict (namespace, memory_id, store) do update set
      operation = excluded.operation, data = excluded.data, last_error = excluded.last_error, attempts = 1,
      next_attempt_at = excluded.next_attempt_at, dead_at = excluded.dead_at
    returning l.id, l.operation, l.namespace, l.memory_id as "memoryId", l.data::text as data, l.last_error as "lastError"`;
}

const ERROR_LENGTH_MAX = 2_000;

/** New letters as rows of a table called k. */
export function letterRows(sql: Sql, letters: readonly NewLetter[]): Fragment {
  const [namespaces, memoryIds] = keyLiterals(letters);
  return sql`unnest(
      ${arrayLiteral(letters.map(({ id }) => id))}::text::text[],
      ${arrayLiteral(letters.map(({ operation }) => operation))}::text::text[],
      ${namespaces}::text::text[], ${memoryIds}::text::text[],
      ${arrayLiteral(letters.map(({ data }) => data))}::text::text[],
      ${arrayLiteral(letters.map(({ lastError }) => lastError.slice(0, ERROR_LENGTH_MAX)))}::text::text[]
    ) as k (id, operation, namespace, memory_id, data, last_error)`;
}

/** Makes letters again that the primary does not have, to be tried at once. Those that it has stay as they are. */
export async function recallLetters(sql: Sql, store: string, letters: readonly NewLetter[]): Promise<void> {
  await sql`
    insert into mnemosync.replica_dead_letters
      (id, store, operation, namespace, memory_id, data, attempts, last_error, next_attempt_at)
    select k.id, ${store}, k.operation, k.namespace, k.memory_id, k.data::json, 0, k.last_error, clock_timestamp()
    from ${letterRows(sql, letters)}
    order by k.namespace collate "C", k.memory_id collate "C"
    on conflict do nothing`;
}

/** Has dead letters of memories tried again at once: a later change of theirs was taken. */
export async function reviveLetters(sql: Sql, store: string, keys: readonly MemoryKey[]): Promise<number> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  const rows = await sql`
    update mnemosync.replica_dead_letters l
    set attempts = 0, dead_at = null, next_attempt_at = clock_timestamp()
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    where l.store = ${store} and l.namespace = k.namespace and l.memory_id = k.memory_id and l.dead_at is not null
    returning 1`;
  return rows.length;
}

/** Letters that are to be tried again now, the longest due one first. Counts the attempt before it is made. */
export async function claimDueLetters(sql: Sql, store: string, intervalMs: number, limit: number): Promise<Letter[]> {
  const rows = await sql<Letter[]>`
    update mnemosync.replica_dead_letters l
    set attempts = l.attempts + 1,
        next_attempt_at = clock_timestamp() + ${intervalMs}::float8 * interval '1 millisecond'
    where l.id = any (array(
      select id from mnemosync.replica_dead_letters
      where store = ${store} and dead_at is null
        and (next_attempt_at <= clock_timestamp()
             -- Written while the clock was ahead.
             or next_attempt_at > clock_timestamp() + 2 * ${intervalMs}::float8 * interval '1 millisecond')
      order by next_attempt_at limit ${limit} for update skip locked
    ))
    returning ${columns(sql)}`;
  return rows;
}

/** A letter was refused again: dead once it was tried `attemptsMax` times. */
export async function failLetter(sql: Sql, id: string, error: string, attemptsMax: number): Promise<void> {
  await sql`
    update mnemosync.replica_dead_letters
    set last_error = ${error.slice(0, ERROR_LENGTH_MAX)},
        dead_at = case when attempts >= ${attemptsMax}::int then clock_timestamp() end
    where id = ${id}`;
}

/**
 * The replica has the memory of a letter as the primary has it. A letter that is not as it was claimed stays: another process, which
 * replicates now, was refused the memory again.
 */
export async function settleLetter(sql: Sql, { id, attempts, data }: Letter): Promise<void> {
  await sql`
    delete from mnemosync.replica_dead_letters
    where id = ${id} and attempts = ${attempts}::int and data::text = ${data}`;
}

/** Letters in the order of ids, behind `after`. */
export async function listLetters(sql: Sql, store: string, after: string, limit: number): Promise<Letter[]> {
  return await sql<Letter[]>`
    select ${columns(sql)} from mnemosync.replica_dead_letters l
    where l.store = ${store} and l.id > ${after}
    order by l.id limit ${limit}`;
}

/** Has letters tried again at once, dead ones too. @param id null: all. @returns how many. */
export async function retryLetters(sql: Sql, store: string, id: string | null): Promise<number> {
  const rows = await sql`
    update mnemosync.replica_dead_letters
    set attempts = 0, dead_at = null, next_attempt_at = clock_timestamp()
    where store = ${store} and (${id}::text is null or id = ${id}::text)
    returning 1`;
  return rows.length;
}

/**
 * Forgets letters of changes that the replica does without. An ending stays: without its letter nothing would tell that the
 * replica's row has ended.
 * @param id null: all of puts.
 */
export async function dropLetters(
  sql: Sql,
  store: string,
  id: string | null,
): Promise<{ dropped: number; kept: number }> {
  const [row] = await sql<{ dropped: number; kept: number }[]>`
    with chosen as materialized (
      select id, operation from mnemosync.replica_dead_letters
      where store = ${store} and (${id}::text is null or id = ${id}::text)
    ), gone as (
      delete from mnemosync.replica_dead_letters l using chosen c where l.id = c.id and c.operation = 'put' returning 1
    )
    select (select count(*)::int from gone) as dropped, (select count(*)::int from chosen where operation <> 'put') as kept`;
  return row ?? { dropped: 0, kept: 0 };
}

export interface LetterCounts {
  /** Tried again by themselves. */
  readonly waiting: number;
  readonly dead: number;
}

export async function countLetters(sql: Sql, store: string): Promise<LetterCounts> {
  const [row] = await sql<LetterCounts[]>`
    select count(*) filter (where dead_at is null)::int as waiting, count(*) filter (where dead_at is not null)::int as dead
    from mnemosync.replica_dead_letters where store = ${store}`;
  return row ?? { waiting: 0, dead: 0 };
}

function columns(sql: Sql) {
  return sql`
    l.id, l.store, l.operation, l.namespace, l.memory_id as "memoryId", l.data::text as data,
    extract(epoch from l.at)::float8 * 1000 as at, l.attempts, l.last_error as "lastError",
    case when l.dead_at is null then extract(epoch from l.next_attempt_at)::float8 * 1000 end as "nextAttemptAt"`;
}
