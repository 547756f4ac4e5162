import type { MemoryKey } from "../domain/keys.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { signalFeed } from "./feed-statements.ts";
import { hasCome, isOlderThan } from "./stored-times.ts";
import { markPublished } from "./transaction-statements.ts";

/** A memory that is queued for a store. */
export interface QueuedMemory extends MemoryKey {
  /** Changes when the memory is queued again: an older claim must not settle the newer entry. */
  readonly seq: string;
  /** Attempts that were begun, this one included. */
  readonly attempts: number;
}

/** Names a store's queue: of all nodes for a shared store (node id empty), of one node for a store of its own. */
export interface QueueName {
  readonly store: StoreId;
  readonly nodeId: string;
}

/** A pass over a queue, as the owner of its claims. */
export interface Claimant {
  /** Names the worker: one process, and no process after it. */
  readonly workerId: string;
  /** Number of the pass within the worker. */
  readonly turn: number;
  /** The earliest pass of the worker that is still under way, this one included: claims of earlier ones are abandoned. */
  readonly oldestTurn: number;
}

/** As text, claims of one worker stand in the order of their passes. */
function claimText(workerId: string, turn: number): string {
  return `${workerId}/${String(turn).padStart(15, "0")}`;
}

/** In `sync_meta` while the backlog of all nodes is held. */
const HELD = "backlog_held_since";

/** Until `resumeBacklog` no node claims or takes over anything. Twice is once. */
export async function pauseBacklog(sql: Sql): Promise<void> {
  await sql`
    insert into mnemosync.sync_meta (name, value) values (${HELD}, clock_timestamp()::text)
    on conflict (name) do nothing`;
}

export async function resumeBacklog(sql: Sql): Promise<void> {
  await sql`delete from mnemosync.sync_meta where name = ${HELD}`;
}

/**
 * The order in which statements lock rows of the queue, called q: statements that lock the same rows in different orders wait
 * for each other, and PostgreSQL ends one of them (40P01).
 */
export function queueLockOrder(sql: Sql): Fragment {
  return sql`q.namespace collate "C", q.memory_id collate "C", q.store collate "C", q.node_id collate "C"`;
}

/** The rows that a worker has claimed or read, of those the ones that were not queued again since, locked in order. */
function lockedRows(sql: Sql, queue: QueueName, memories: readonly QueuedMemory[]): Fragment {
  const [namespaces, memoryIds] = keyLiterals(memories);
  return sql`
    select q.store, q.node_id, q.namespace, q.memory_id
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[],
                ${arrayLiteral(memories.map((memory) => memory.seq))}::text::bigint[]) as d (namespace, memory_id, seq)
    join mnemosync.sync_queue q on q.namespace = d.namespace and q.memory_id = d.memory_id and q.seq = d.seq
    where q.store = ${queue.store} and q.node_id = ${queue.nodeId}
    order by ${queueLockOrder(sql)}
    for update of q`;
}

/** Of a row called q and one of `lockedRows` called l: they are the same. */
function isLocked(sql: Sql): Fragment {
  return sql`q.store = l.store and q.node_id = l.node_id and q.namespace = l.namespace and q.memory_id = l.memory_id`;
}

export async function isBacklogPaused(sql: Sql): Promise<boolean> {
  return (await sql`select 1 from mnemosync.sync_meta where name = ${HELD}`).length > 0;
}

/** Queues memories that a store lacks. Resets an entry that is queued already: the store lacks a newer version now. */
export async function enqueue(sql: Sql, queue: QueueName, keys: readonly MemoryKey[], reason: string): Promise<void> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  await sql`
    insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, last_error)
    select ${queue.store}, ${queue.nodeId}, k.namespace, k.memory_id, ${reason.slice(0, 2_000)}
    from (select distinct namespace, memory_id
          from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as u (namespace, memory_id)) k
    order by k.namespace collate "C", k.memory_id collate "C"
    on conflict (store, node_id, namespace, memory_id) do update set
      seq = excluded.seq, attempts = 0, next_attempt_at = excluded.next_attempt_at, dead_at = null,
      claimed_until = null, claimed_by = null, last_error = excluded.last_error`;
}

/**
 * Queues what a transaction wrote for every shared store of the deployment, and marks it published, within the transaction:
 * the writer runs no store itself, so once it is committed there is nothing left to do for it. The signal goes out with the
 * commit. One such commit at a time passes through the whole instance, so this is for writers of batches.
 */
export async function queueForSharedStores(sql: Sql, keys: readonly MemoryKey[], transactionId: string): Promise<void> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  await sql`
    insert into mnemosync.sync_queue (store, node_id, namespace, memory_id)
    select s.id, '', k.namespace, k.memory_id
    from mnemosync.stores s,
         unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    order by s.id, k.namespace collate "C", k.memory_id collate "C"
    on conflict (store, node_id, namespace, memory_id) do update set
      seq = excluded.seq, attempts = 0, next_attempt_at = excluded.next_attempt_at, dead_at = null,
      claimed_until = null, claimed_by = null`;
  await markPublished(sql, [transactionId]);
  await signalFeed(sql, "queued");
}

/** Records memories that a store refuses for good as dead letters. Trying again cannot help until something is changed. */
export async function bury(sql: Sql, queue: QueueName, keys: readonly MemoryKey[], reason: string): Promise<void> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  await sql`
    insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, attempts, last_error, dead_at)
    select ${queue.store}, ${queue.nodeId}, k.namespace, k.memory_id, 1, ${reason.slice(0, 2_000)}, clock_timestamp()
    from (select distinct namespace, memory_id
          from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as u (namespace, memory_id)) k
    order by k.namespace collate "C", k.memory_id collate "C"
    on conflict (store, node_id, namespace, memory_id) do update set
      seq = excluded.seq, attempts = sync_queue.attempts + 1, dead_at = coalesce(sync_queue.dead_at, excluded.dead_at),
      claimed_until = null, claimed_by = null, last_error = excluded.last_error`;
}

/**
 * Claims due rows for `leaseMs`, oldest first, leaving out those that other workers hold. The attempt is counted here, before
 * it is made: one that kills its worker counts too. Rows that an earlier pass of this worker claimed, and left when the
 * ledger broke off, are taken at once: their leases would hold them for a minute, though no pass works on them. That a claim
 * was made does not say that its worker knows of it, so the worker cannot give such rows back.
 */
export async function claim(
  sql: Sql,
  queue: QueueName,
  { workerId, turn, oldestTurn }: Claimant,
  limit: number,
  leaseMs: number,
): Promise<QueuedMemory[]> {
  const rows = await sql<{ namespace: string; memory_id: string; seq: string; attempts: number }[]>`
    with due as materialized (
      select store, node_id, namespace, memory_id
      from mnemosync.sync_queue
      where store = ${queue.store} and node_id = ${queue.nodeId} and dead_at is null
        and ${hasCome(sql, sql`next_attempt_at`)}
        and (claimed_until is null or ${hasCome(sql, sql`claimed_until`)}
             or (claimed_by collate "C" >= ${claimText(workerId, 0)} and claimed_by collate "C" < ${claimText(workerId, oldestTurn)}))
        and not exists (select 1 from mnemosync.sync_meta where name = ${HELD})
      order by next_attempt_at
      limit ${limit}
      for update skip locked
    )
    update mnemosync.sync_queue q
    set claimed_by = ${claimText(workerId, turn)},
        claimed_until = clock_timestamp() + make_interval(secs => ${leaseMs / 1_000}::float8),
        attempts = q.attempts + 1
    from due
    where q.store = due.store and q.node_id = due.node_id and q.namespace = due.namespace and q.memory_id = due.memory_id
    returning q.namespace, q.memory_id, q.seq::text as seq, q.attempts`;
  return rows.map(queuedMemory);
}

function queuedMemory(row: { namespace: string; memory_id: string; seq: string; attempts: number }): QueuedMemory {
  return { namespace: row.namespace, memoryId: row.memory_id, seq: row.seq, attempts: row.attempts };
}

/** The rows of `keys` in a queue, claimed or not, dead letters too. */
export async function readQueued(sql: Sql, queue: QueueName, keys: readonly MemoryKey[]): Promise<QueuedMemory[]> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  const rows = await sql<{ namespace: string; memory_id: string; seq: string; attempts: number }[]>`
    select q.namespace, q.memory_id, q.seq::text as seq, q.attempts
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    cross join lateral (
      select * from mnemosync.sync_queue
      where store = ${queue.store} and node_id = ${queue.nodeId}
        and namespace = k.namespace and memory_id = k.memory_id offset 0
    ) q`;
  return rows.map(queuedMemory);
}

/** Removes rows whose store is up to date, unless they were queued again since they were claimed or read. */
export async function settle(sql: Sql, queue: QueueName, memories: readonly QueuedMemory[]): Promise<void> {
  await sql`
    with relaxed as materialized (select set_config('synchronous_commit', 'off', true)),
    locked as materialized (${lockedRows(sql, queue, memories)})
    delete from mnemosync.sync_queue q using relaxed, locked l where ${isLocked(sql)}`;
}

/** The end of a claim that did not bring the store up to date. */
export interface Release {
  /** Milliseconds until the next attempt; null: give up, the row becomes a dead letter. */
  readonly delayMs: number | null;
  /** Whether the attempt counts. It does not when the store as a whole was away. */
  readonly counts: boolean;
  readonly error: string;
}

/** Gives a claimed row back, unless it was queued again since. */
export async function release(
  sql: Sql,
  queue: QueueName,
  memories: readonly QueuedMemory[],
  end: Release,
): Promise<void> {
  await sql`
    with locked as materialized (${lockedRows(sql, queue, memories)})
    update mnemosync.sync_queue q
    set claimed_until = null, claimed_by = null, last_error = ${end.error.slice(0, 2_000)},
        attempts = case when ${end.counts} then q.attempts else greatest(q.attempts - 1, 0) end,
        next_attempt_at = clock_timestamp() + make_interval(secs => coalesce(${end.delayMs}::float8, 0) / 1000.0),
        dead_at = case when ${end.delayMs}::float8 is null then clock_timestamp() end
    from locked l where ${isLocked(sql)}`;
}

function deadRows(sql: Sql): Fragment {
  return sql`
    select q.store, q.node_id, q.namespace, q.memory_id from mnemosync.sync_queue q where q.dead_at is not null
    order by ${queueLockOrder(sql)} for update`;
}

/** Makes dead rows due again. @returns how many. */
export async function retryDead(sql: Sql): Promise<number> {
  const rows = await sql`
    with l as materialized (${deadRows(sql)})
    update mnemosync.sync_queue q
    set dead_at = null, attempts = 0, next_attempt_at = clock_timestamp(), claimed_until = null, claimed_by = null
    from l where ${isLocked(sql)}
    returning 1`;
  return rows.length;
}

/** Forgets dead rows: the stores stay behind until a check finds them. @returns how many. */
export async function dropDead(sql: Sql): Promise<number> {
  const rows = await sql`
    with l as materialized (${deadRows(sql)})
    delete from mnemosync.sync_queue q using l where ${isLocked(sql)} returning 1`;
  return rows.length;
}

/**
 * Moves overdue transactions to the queue, and confirms them as published. Their memories are queued for every shared
 * store of the deployment (table `stores`), whether this node runs it or not, and those of this node's own transactions
 * for the stores that it alone has; other nodes' own stores follow the feed. Takes locks with `skip locked`, so many
 * nodes may do it at once.
 * @param ownStores ids of this node's stores of scope `node`.
 * @param deadlineMs age, in milliseconds, from which a transaction is overdue.
 */
export async function queueOverdue(
  sql: Sql,
  nodeId: string,
  ownStores: readonly StoreId[],
  deadlineMs: number,
  limit: number,
): Promise<{ transactions: number; memories: number }> {
  const [row] = await sql<{ transactions: number; memories: number }[]>`
    with overdue as materialized (
      select tx_id, node_id, namespaces, memory_ids from mnemosync.sync_transactions
      where state = 'committed' and ${isOlderThan(sql, sql`created_at`, deadlineMs)}
        and not exists (select 1 from mnemosync.sync_meta where name = ${HELD})
      order by created_at
      limit ${limit}
      for update skip locked
    ), keys as materialized (
      select k.namespace, k.memory_id, bool_or(overdue.node_id = ${nodeId}) as own
      from overdue, unnest(overdue.namespaces, overdue.memory_ids) as k (namespace, memory_id)
      group by k.namespace, k.memory_id
    ), queued as (
      insert into mnemosync.sync_queue (store, node_id, namespace, memory_id, last_error)
      select s.store, s.node_id, k.namespace, k.memory_id, 'its transaction was not confirmed as published in time'
      from keys k, (
        select id as store, '' as node_id from mnemosync.stores
        union all
        select unnest(${arrayLiteral(ownStores)}::text::text[]), ${nodeId}
      ) s
      where s.node_id = '' or k.own
      order by k.namespace collate "C", k.memory_id collate "C", s.store collate "C", s.node_id collate "C"
      on conflict (store, node_id, namespace, memory_id) do update set
        seq = excluded.seq, attempts = 0, next_attempt_at = excluded.next_attempt_at, dead_at = null,
        claimed_until = null, claimed_by = null
    ), marked as (
      update mnemosync.sync_transactions t set state = 'published', published_at = clock_timestamp()
      from overdue where t.tx_id = overdue.tx_id
    )
    select (select count(*) from overdue)::int as transactions, (select count(*) from keys)::int as memories`;
  return row ?? { transactions: 0, memories: 0 };
}
