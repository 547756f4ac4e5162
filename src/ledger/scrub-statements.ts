import type { MemoryKey } from "../domain/keys.ts";
import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { queueLockOrder } from "./queue-statements.ts";

/** Takes the place of a text that may have quoted an erased memory. */
export const ERASED_TEXT = "removed by an erasure";

/**
 * Removes what the ledger keeps of erased memories beside their rows, in one transaction: all versions but the
 * ending itself, conflicts' sides, findings, errors that may quote a memory, and answers under idempotency keys. Only
 * memories whose row says `erased` are touched. Repeating it is harmless. Rows of the queue and of conflicts are locked in the
 * order that their other writers keep, so that no two of them wait for each other.
 * @returns the memories that are erased, of `keys`.
 */
export async function scrubMemories(sql: Sql, erasureId: string, keys: readonly MemoryKey[]): Promise<number> {
  const erased = await readErasedKeys(sql, keys);
  if (erased.length === 0) return 0;
  const e = keysAsE(sql, erased);
  await sql`begin`;
  await scrubContent(sql, erased, ERASED_TEXT);
  const done = await sql`
    update mnemosync.suppressed s set erased_at = coalesce(s.erased_at, clock_timestamp())
    from ${e} where ${isOf(sql, sql`s`)} and s.erasure_id = ${erasureId}`;
  await sql`commit`;
  return done.count;
}

function keysAsE(sql: Sql, keys: readonly MemoryKey[]): Fragment {
  const [namespaces, memoryIds] = keyLiterals(keys);
  return sql`unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as e (namespace, memory_id)`;
}

/**
 * The same for memories that have ended, within a transaction: what the ledger keeps of them beside the ending itself.
 * @param text takes the place of texts that may have quoted a memory.
 */
export async function scrubContent(sql: Sql, keys: readonly MemoryKey[], text: string): Promise<void> {
  const [, memoryIds] = keyLiterals(keys);
  const e = keysAsE(sql, keys);
  await scrubAnswers(sql, e);
  // The body of the ending stays: it has no content, and followers of the feed read it.
  await sql`
    delete from mnemosync.memory_bodies b using ${e}, mnemosync.memory_versions v
    where ${isOf(sql, sql`b`)} and ${isOf(sql, sql`v`)} and b.version <> v.version`;
  await sql`delete from mnemosync.unmoved_history h using ${e} where ${isOf(sql, sql`h`)}`;
  await sql`delete from mnemosync.unmoved_documents m using ${e} where ${isOf(sql, sql`m`)}`;
  await sql`
    with locked as materialized (
      select c.id from ${e} join mnemosync.conflict_resolutions c on ${isOf(sql, sql`c`)} order by c.id for update of c
    )
    update mnemosync.conflict_resolutions c
    set found_checksum = null, found_document = null, found_embedding = null, ledger_checksum = null,
        ledger_document = null, ledger_embedding = null, evidence = ${text}, resolution = ${text},
        pending_because = null, resolved_at = coalesce(c.resolved_at, clock_timestamp()),
        state = case when c.state = 'pending' then 'resolved' else c.state end
    from locked where c.id = locked.id`;
  await sql`delete from mnemosync.check_findings f using ${e} where ${isOf(sql, sql`f`)}`;
  await scrubConnectors(sql, e, text);
  // A memory that a store refused for good is tried again: this time the store is told of the erasure.
  await sql`
    with locked as materialized (
      select q.store, q.node_id, q.namespace, q.memory_id from ${e} join mnemosync.sync_queue q on ${isOf(sql, sql`q`)}
      where q.last_error is not null or q.dead_at is not null
      order by ${queueLockOrder(sql)}
      for update of q
    )
    update mnemosync.sync_queue q
    set last_error = null, attempts = case when dead_at is null then attempts else 0 end,
        next_attempt_at = case when dead_at is null then next_attempt_at else clock_timestamp() end, dead_at = null
    from locked l
    where q.store = l.store and q.node_id = l.node_id and q.namespace = l.namespace and q.memory_id = l.memory_id`;
  await sql`
    update mnemosync.sync_transactions t set reason = ${text}
    where t.state = 'rolled_back' and t.reason <> ${text} and t.memory_ids && ${memoryIds}::text::text[]
      and exists (
        select from unnest(t.namespaces, t.memory_ids) as w (namespace, memory_id)
        join ${e} on e.namespace = w.namespace and e.memory_id = w.memory_id)`;
}

/**
 * Items of other services that could not be stored: their payload is the memory's content. A service's reason why it could not
 * process a memory may quote it.
 */
async function scrubConnectors(sql: Sql, e: Fragment, text: string): Promise<void> {
  await sql`
    with locked as materialized (
      select l.connector, l.item_id from ${e} join mnemosync.connector_dead_letters l on ${isOf(sql, sql`l`)}
      order by l.connector, l.item_id for update of l
    )
    delete from mnemosync.connector_dead_letters l using locked
    where l.connector = locked.connector and l.item_id = locked.item_id`;
  await sql`
    with locked as materialized (
      select r.connector, r.namespace, r.memory_id
      from mnemosync.connector_states c
      cross join ${e} join mnemosync.connector_records r on r.connector = c.connector and ${isOf(sql, sql`r`)}
      where r.reason <> ${text}
      order by r.connector, r.namespace, r.memory_id for update of r
    )
    update mnemosync.connector_records r set reason = ${text} from locked
    where r.connector = locked.connector and r.namespace = locked.namespace and r.memory_id = locked.memory_id`;
}

/**
 * Answers under idempotency keys say checksums, which confirm a guess at a content. The answer for one memory is removed
 * with its key: a repeat is a new write, which is refused. In that of a batch the checksum is blanked.
 */
async function scrubAnswers(sql: Sql, e: Fragment): Promise<void> {
  await sql`
    with versions as materialized (
      select v.tx_id, v.checksum from ${e} cross join lateral (
        select b.tx_id, b.checksum from mnemosync.memory_bodies b where ${isOf(sql, sql`b`)} offset 0
      ) v
    ), gone as (
      delete from mnemosync.idempotency_keys i using (select distinct tx_id from versions) v
      where i.tx_id = v.tx_id and jsonb_array_length(i.answer) = 1
    )
    update mnemosync.idempotency_keys i
    set answer = (
      select jsonb_agg(case when w.answer ->> 'checksum' in (select checksum from versions where checksum is not null)
                            then w.answer || '{"checksum": null}' else w.answer end order by w.place)
      from jsonb_array_elements(i.answer) with ordinality as w (answer, place))
    from (select distinct tx_id from versions) v
    where i.tx_id = v.tx_id and jsonb_array_length(i.answer) > 1`;
  // A repeat is still answered: by its key, whatever it says.
  await sql`
    update mnemosync.hub_claims c set fingerprint = null from ${e} where ${isOf(sql, sql`c`)} and c.fingerprint is not null`;
}

function isOf(sql: Sql, alias: Fragment): Fragment {
  return sql`${alias}.namespace = e.namespace and ${alias}.memory_id = e.memory_id`;
}

/** Rows that still hold content of an erasure's memories, by table. */
export interface ContentLeft {
  readonly bodies: number;
  /** Of a ledger whose bodies are not moved yet. */
  readonly unmoved: number;
  /** Memories whose row does not say `erased`: they were revived since, or the erasure is not through. */
  readonly unsuppressed: number;
  readonly conflicts: number;
  readonly findings: number;
  readonly queue: number;
  readonly transactions: number;
  /** Dead letters of connectors, and a service's reasons. Absent in receipts from before they were looked for. */
  readonly connectors?: number;
}

/** Looks in each table for content of the memories that an erasure has: the proof of its receipt. */
export async function countContentLeft(sql: Sql, erasureId: string): Promise<ContentLeft> {
  const of = (alias: Fragment) => sql`${alias}.namespace = e.namespace and ${alias}.memory_id = e.memory_id`;
  const [row] = await sql<ContentLeft[]>`
    with e as materialized (select namespace, memory_id from mnemosync.suppressed where erasure_id = ${erasureId})
    select
      (select count(*)::float8 from e cross join lateral (
         select from mnemosync.memory_bodies b where ${of(sql`b`)}
           and num_nonnulls(b.checksum, b.document, b.embedding) > 0 offset 0) x) as bodies,
      (select count(*)::float8 from e cross join lateral (
         select from mnemosync.unmoved_documents m where ${of(sql`m`)}
         union all
         select from mnemosync.unmoved_history h where ${of(sql`h`)} offset 0) x) as unmoved,
      (select count(*)::float8 from e where not exists (
         select from mnemosync.memory_versions v where ${of(sql`v`)} and v.ended_by = 'erased')) as unsuppressed,
      (select count(*)::float8 from e cross join lateral (
         select from mnemosync.conflict_resolutions c where ${of(sql`c`)}
           and num_nonnulls(found_document, found_embedding, ledger_document, ledger_embedding) > 0 offset 0) x) as conflicts,
      (select count(*)::float8 from e join mnemosync.check_findings f on ${of(sql`f`)}) as findings,
      (select count(*)::float8 from e cross join lateral (
         select from mnemosync.sync_queue q where ${of(sql`q`)} and q.last_error is not null and q.dead_at is not null offset 0
       ) x) as queue,
      (select count(*)::float8 from mnemosync.sync_transactions t
       where t.state = 'rolled_back' and t.reason <> ${ERASED_TEXT}
         and exists (select from unnest(t.namespaces, t.memory_ids) as w (namespace, memory_id)
                     join e on e.namespace = w.namespace and e.memory_id = w.memory_id)) as transactions,
      (select count(*)::float8 from e join mnemosync.connector_dead_letters l on ${of(sql`l`)})
      + (select count(*)::float8 from mnemosync.connector_states s cross join e
         join mnemosync.connector_records r on r.connector = s.connector and ${of(sql`r`)}
         where r.reason <> ${ERASED_TEXT}) as connectors`;
  return row as ContentLeft;
}

/** The texts of a job that may quote memories, which the ledger keeps as JSON. */
export interface JobTexts {
  readonly id: string;
  readonly error: string | null;
  readonly result: string | null;
}

/**
 * The next ended job behind `after` that may quote memories of a namespace; one at a time: a result may have 64 MiB. `isKnown`
 * is false for a job that an older program ended, without a word on what it quotes.
 */
export async function readJobTexts(
  sql: Sql,
  namespace: string,
  after: string,
): Promise<(JobTexts & { readonly isKnown: boolean }) | null> {
  const [row] = await sql<(JobTexts & { isKnown: boolean })[]>`
    select id, error::text as error, result::text as result, quoted_namespaces is not null as "isKnown" from mnemosync.jobs
    where id > ${after} and ended_at is not null
      and (quoted_namespaces is null or ${namespace} = any (quoted_namespaces))
    order by jobs.id limit 1`;
  return row ?? null;
}

export async function replaceJobTexts(
  sql: Sql,
  { id, error, result, quotedNamespaces }: JobTexts & { readonly quotedNamespaces: readonly string[] },
): Promise<void> {
  await sql`
    update mnemosync.jobs set error = ${error}::text::json, result = ${result}::text::json,
                              quoted_namespaces = ${arrayLiteral(quotedNamespaces)}::text::text[]
    where id = ${id} and ended_at is not null`;
}

/** The keys whose row says `erased`, of `keys`. */
export async function readErasedKeys(sql: Sql, keys: readonly MemoryKey[]): Promise<MemoryKey[]> {
  const [namespaces, memoryIds] = keyLiterals(keys);
  const rows = await sql<{ namespace: string; memory_id: string }[]>`
    select v.namespace, v.memory_id
    from unnest(${namespaces}::text::text[], ${memoryIds}::text::text[]) as k (namespace, memory_id)
    cross join lateral (
      select v.namespace, v.memory_id from mnemosync.memory_versions v
      where v.namespace = k.namespace and v.memory_id = k.memory_id and v.ended_by = 'erased' offset 0
    ) v`;
  return rows.map(({ namespace, memory_id: memoryId }) => ({ namespace, memoryId }));
}
