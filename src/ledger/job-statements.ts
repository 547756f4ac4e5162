import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import { hasCome } from "./stored-times.ts";

/** A job's row. JSON columns are text: the kind of the job parses them. Times are milliseconds since 1970. */
export interface JobRow {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly input: string;
  readonly exclusive: string | null;
  readonly store: string | null;
  readonly schedule: string | null;
  readonly attempts: number;
  readonly progress: string;
  readonly checkpoint: string | null;
  /** Null in lists too: results may be large. */
  readonly result: string | null;
  readonly error: string | null;
  readonly nodeId: string | null;
  readonly cancelRequested: boolean;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

export interface NewJob {
  readonly id: string;
  readonly kind: string;
  /** JSON. */
  readonly input: string;
  readonly exclusive: string | null;
  readonly store: string | null;
  readonly schedule: string | null;
  readonly resumable: boolean;
}

/** A run that begins: which node has it, and for how long without a sign of life. */
export interface Claim {
  readonly nodeId: string;
  readonly runId: string;
  readonly leaseMs: number;
}

/** Attempts of a resumable job, at most: a job that kills its node must not go on to kill all nodes. */
export const ATTEMPTS_MAX = 5;

/** @returns null when an open job has the same `exclusive`, or `openMax` jobs of any kind are open. */
export async function insertJob(sql: Sql, job: NewJob, claim: Claim | null, openMax: number): Promise<JobRow | null> {
  const rows = await sql<JobRow[]>`
    insert into mnemosync.jobs as j
      (id, kind, state, input, exclusive, store, schedule, resumable, attempts, node_id, run_id, lease_expires_at,
       started_at)
    select ${job.id}, ${job.kind}, case when ${claim !== null}::boolean then 'running' else 'queued' end,
           ${job.input}::text::json, ${job.exclusive}, ${job.store}, ${job.schedule}, ${job.resumable}::boolean,
           case when ${claim !== null}::boolean then 1 else 0 end, ${claim?.nodeId ?? null}, ${claim?.runId ?? null},
           clock_timestamp() + ${claim?.leaseMs ?? null}::float8 * interval '1 millisecond',
           case when ${claim !== null}::boolean then clock_timestamp() end
    where (select count(*) from mnemosync.jobs where ended_at is null) < ${openMax}
    on conflict (exclusive) where ended_at is null and exclusive is not null do nothing
    returning ${columns(sql)}`;
  return rows[0] ?? null;
}

export async function readOpenExclusive(sql: Sql, exclusive: string): Promise<JobRow | null> {
  const rows = await sql<JobRow[]>`
    select ${columns(sql)} from mnemosync.jobs j where exclusive = ${exclusive} and ended_at is null`;
  return rows[0] ?? null;
}

export async function countOpenJobs(sql: Sql): Promise<number> {
  const [row] = await sql<{ open: number }[]>`
    select count(*)::int as open from mnemosync.jobs where ended_at is null`;
  return row?.open ?? 0;
}

export async function readJob(sql: Sql, id: string): Promise<JobRow | null> {
  const rows = await sql<JobRow[]>`select ${columns(sql)} from mnemosync.jobs j where id = ${id}`;
  return rows[0] ?? null;
}

/** Newest first, without results. */
export async function listJobs(sql: Sql, limit: number): Promise<JobRow[]> {
  return await sql<JobRow[]>`
    select ${columns(sql, false)} from mnemosync.jobs j order by created_at desc, id desc limit ${limit}`;
}

/** The jobs that a claim may take, and the runs that get them. */
export interface JobClaim extends Omit<Claim, "runId"> {
  readonly kinds: readonly string[];
  /** Stores that this node has. */
  readonly stores: readonly string[];
  /** As many as jobs may be claimed. */
  readonly runIds: readonly string[];
  /** Runs of this process that never began: the answer to the claim that named them was lost. */
  readonly unbegun: readonly string[];
}

/**
 * Gives queued jobs, and those whose node is gone, to a run of this node each, the oldest first. So it does with jobs of runs
 * that never began: their leases would hold them for half a minute, though no run works on them. Such a job may be taken even
 * where its kind cannot be resumed, and the attempt that was counted for the lost claim stands for this one.
 */
export async function claimJobs(
  sql: Sql,
  { kinds, stores, runIds, unbegun, nodeId, leaseMs }: JobClaim,
): Promise<(JobRow & { runId: string })[]> {
  return await sql<(JobRow & { runId: string })[]>`
    with due as materialized (
      select id, created_at from mnemosync.jobs
      where ended_at is null and cancel_requested_at is null
        and kind = any (${arrayLiteral(kinds)}::text::text[])
        and (store is null or store = any (${arrayLiteral(stores)}::text::text[]))
        and (state = 'queued' or ${isOfRuns(sql, unbegun)} or (resumable and attempts < ${ATTEMPTS_MAX} and ${isLost(sql)}))
      order by created_at, id
      limit ${runIds.length}
      for update skip locked
    ), numbered as (
      select id, row_number() over (order by created_at, id) as number from due
    )
    update mnemosync.jobs j
    set state = 'running', node_id = ${nodeId}, attempts = attempts + case when ${isOfRuns(sql, unbegun)} then 0 else 1 end,
        run_id = (${arrayLiteral(runIds)}::text::text[])[n.number],
        lease_expires_at = clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond',
        started_at = coalesce(started_at, clock_timestamp())
    from numbered n
    where j.id = n.id
    returning ${columns(sql)}, run_id as "runId"`;
}

/**
 * Ends abandoned jobs: their node is gone, and they cannot be taken over or were cancelled meanwhile. Any node does it for
 * all kinds, also for kinds that it does not know.
 * @returns how many.
 */
export async function endLostJobs(sql: Sql, error: string): Promise<number> {
  const ended = await sql`
    update mnemosync.jobs
    set state = case when cancel_requested_at is null then 'failed' else 'cancelled' end,
        error = case when cancel_requested_at is null then ${error}::text::json end, quoted_namespaces = '{}',
        lease_expires_at = null, ended_at = clock_timestamp()
    where ended_at is null and ${isLost(sql)}
      and (not resumable or attempts >= ${ATTEMPTS_MAX} or cancel_requested_at is not null)`;
  return ended.count;
}

/** Renews the lease. @returns whether cancellation was requested; null when the run no longer has the job. */
export async function renewJob(
  sql: Sql,
  id: string,
  { runId, leaseMs }: Omit<Claim, "nodeId">,
  progress: string,
): Promise<{ cancelRequested: boolean } | null> {
  const rows = await sql<{ cancelRequested: boolean }[]>`
    update mnemosync.jobs
    set progress = ${progress}::text::json,
        lease_expires_at = clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond'
    where id = ${id} and run_id = ${runId} and state = 'running'
    returning cancel_requested_at is not null as "cancelRequested"`;
  return rows[0] ?? null;
}

/** @returns false when the run no longer has the job: nothing was kept. */
export async function saveJobCheckpoint(sql: Sql, id: string, runId: string, checkpoint: string): Promise<boolean> {
  const saved = await sql`
    update mnemosync.jobs set checkpoint = ${checkpoint}::text::json
    where id = ${id} and run_id = ${runId} and state = 'running'`;
  return saved.count === 1;
}

export interface JobEnd {
  readonly state: "done" | "failed" | "cancelled";
  readonly progress: string;
  readonly result: string | null;
  /** Namespaces whose memories the result may quote: an erasure looks for its own. */
  readonly quotedNamespaces: readonly string[];
  /** JSON, which quotes no memory. */
  readonly error: string | null;
}

/** @returns false when the run no longer has the job: nothing was kept. */
export async function endJob(sql: Sql, id: string, runId: string, end: JobEnd): Promise<boolean> {
  const ended = await sql`
    update mnemosync.jobs
    set state = ${end.state}, progress = ${end.progress}::text::json, result = ${end.result}::text::json,
        quoted_namespaces = ${arrayLiteral(end.quotedNamespaces)}::text::text[], error = ${end.error}::text::json,
        lease_expires_at = null, ended_at = clock_timestamp()
    where id = ${id} and run_id = ${runId} and state = 'running'`;
  return ended.count === 1;
}

/** Gives a resumable job back, so that another node need not wait for the lease to end. It costs no attempt. */
export async function releaseJob(sql: Sql, id: string, runId: string): Promise<void> {
  await sql`
    update mnemosync.jobs
    set state = 'queued', lease_expires_at = null, attempts = greatest(attempts - 1, 0)
    where id = ${id} and run_id = ${runId} and state = 'running'`;
}

/** Gives jobs of runs that never began back. It costs no attempt. */
export async function releaseUnbegun(sql: Sql, runIds: readonly string[]): Promise<void> {
  await sql`
    update mnemosync.jobs
    set state = 'queued', lease_expires_at = null, attempts = greatest(attempts - 1, 0)
    where ended_at is null and ${isOfRuns(sql, runIds)}`;
}

/** Asks a job to stop; one that no node runs ends at once. @returns null for an unknown one. */
export async function cancelJob(sql: Sql, id: string): Promise<JobRow | null> {
  const rows = await sql<JobRow[]>`
    update mnemosync.jobs j
    set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
        state = case when ${isIdle(sql)} then 'cancelled' else state end,
        lease_expires_at = case when ${isIdle(sql)} then null else lease_expires_at end,
        ended_at = case when ${isIdle(sql)} then clock_timestamp() end,
        quoted_namespaces = case when ${isIdle(sql)} then '{}'::text[] end
    where id = ${id} and ended_at is null
    returning ${columns(sql)}`;
  return rows[0] ?? (await readJob(sql, id));
}

/** Forgets ended jobs beyond the newest `keptMax` of their kind, and those that ended longer ago than `retentionMs`. @returns how many. */
export async function pruneJobs(sql: Sql, keptMax: number, retentionMs: number): Promise<number> {
  const pruned = await sql`
    delete from mnemosync.jobs
    where ended_at is not null
      and (ended_at < clock_timestamp() - ${retentionMs}::float8 * interval '1 millisecond'
           or id in (select id from (
                       select id, row_number() over (partition by kind order by ended_at desc, id desc) as place
                       from mnemosync.jobs where ended_at is not null) j where place > ${keptMax}))`;
  return pruned.count;
}

function isLost(sql: Sql): Fragment {
  return sql`(state = 'running' and ${hasCome(sql, sql`lease_expires_at`)})`;
}

function isOfRuns(sql: Sql, runIds: readonly string[]): Fragment {
  return sql`(state = 'running' and run_id = any (${arrayLiteral(runIds)}::text::text[]))`;
}

/** The job is queued, or its node is gone. */
function isIdle(sql: Sql): Fragment {
  return sql`(state = 'queued' or ${isLost(sql)})`;
}

function columns(sql: Sql, withResult = true): Fragment {
  return sql`
    j.id, j.kind, j.state, j.input::text as input, j.exclusive, j.store, j.schedule, j.attempts,
    j.progress::text as progress, j.checkpoint::text as checkpoint,
    ${withResult ? sql`j.result::text` : sql`null::text`} as result, j.error::text as error, j.node_id as "nodeId",
    j.cancel_requested_at is not null as "cancelRequested",
    extract(epoch from j.created_at)::float8 * 1000 as "createdAt",
    extract(epoch from j.started_at)::float8 * 1000 as "startedAt",
    extract(epoch from j.ended_at)::float8 * 1000 as "endedAt"`;
}
