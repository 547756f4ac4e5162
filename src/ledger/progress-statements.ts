import type { MemoryKey } from "../domain/keys.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral, keyLiterals } from "./arrays.ts";
import { AHEAD_LEGAL_MS, CLOCK_SLACK_MS, hasCome } from "./stored-times.ts";

/** A finding as it is kept between runs. */
export interface RecordedFinding extends MemoryKey {
  readonly store: StoreId;
  readonly kind: string;
  readonly expectedVersion: number | null;
  readonly foundVersion: number | null;
  readonly evidence: string;
}

/** Key of a row of progress. */
export interface CheckName {
  readonly scope: string;
  readonly nodeId: string;
}

/** Progress or result of a check. Times are milliseconds since 1970. */
export interface CheckState {
  readonly scope: string;
  readonly nodeId: string;
  /** The position to resume from; null: there is none. */
  readonly position: unknown;
  readonly checked: number;
  readonly findings: number;
  readonly startedAt: number;
  /** Null while it runs, or when it was cut short. */
  readonly finishedAt: number | null;
  readonly lastCleanAt: number | null;
  /**
   * Milliseconds since its last sign of life. Infinite for a sign from the future: the server's clock was ahead when it was
   * given, so that it tells nothing.
   */
  readonly silentMs: number;
}

interface CheckStateRow {
  scope: string;
  node_id: string;
  position: string | null;
  checked: number;
  findings: number;
  started_at: number;
  finished_at: number | null;
  last_clean_at: number | null;
  silent_ms: number;
}

/** Every check that ever ran, of all nodes. */
export async function readCheckStates(sql: Sql): Promise<CheckState[]> {
  const rows = await sql<CheckStateRow[]>`
    select scope, node_id, position::text as position, checked::float8 as checked, findings::float8 as findings,
           extract(epoch from started_at)::float8 * 1000 as started_at,
           extract(epoch from finished_at)::float8 * 1000 as finished_at,
           extract(epoch from last_clean_at)::float8 * 1000 as last_clean_at,
           extract(epoch from clock_timestamp() - coalesce(updated_at, started_at))::float8 * 1000 as silent_ms
    from mnemosync.check_progress
    order by scope, node_id`;
  return rows.map((row) => ({
    scope: row.scope,
    nodeId: row.node_id,
    position: row.position === null ? null : (JSON.parse(row.position) as unknown),
    checked: row.checked,
    findings: row.findings,
    startedAt: Math.round(row.started_at),
    finishedAt: row.finished_at === null ? null : Math.round(row.finished_at),
    lastCleanAt: row.last_clean_at === null ? null : Math.round(row.last_clean_at),
    silentMs: row.silent_ms < -CLOCK_SLACK_MS ? Number.POSITIVE_INFINITY : Math.max(0, row.silent_ms),
  }));
}

/**
 * Makes `runId` the run that writes this check's progress.
 * @param keep the part of an earlier run that stays: nothing, its position, or its position, counts and findings.
 */
export async function beginCheck(
  sql: Sql,
  name: CheckName,
  runId: string,
  keep: "nothing" | "position" | "all",
): Promise<void> {
  const all = keep === "all";
  await sql`
    with forgotten as (
      delete from mnemosync.check_findings
      where not ${all}::boolean and scope = ${name.scope} and node_id = ${name.nodeId}
    )
    insert into mnemosync.check_progress as p (scope, node_id, run_id, started_at, updated_at)
    values (${name.scope}, ${name.nodeId}, ${runId}, clock_timestamp(), clock_timestamp())
    on conflict (scope, node_id) do update set
      run_id = excluded.run_id, updated_at = excluded.updated_at, finished_at = null,
      position = case when ${keep !== "nothing"}::boolean then p.position end,
      checked = case when ${all}::boolean then p.checked else 0 end,
      findings = case when ${all}::boolean then p.findings else 0 end,
      started_at = case when ${all}::boolean then p.started_at else excluded.started_at end`;
}

export interface Checkpoint {
  readonly position: unknown;
  readonly checked: number;
  /** Those since the last checkpoint. */
  readonly findings: readonly RecordedFinding[];
  /** Present when the check ends here: whether it looked at everything and found nothing at all. */
  readonly ended?: { readonly clean: boolean };
}

/**
 * Keeps the position of a run and its findings since the last checkpoint, in one step.
 * @returns false when another run has taken over: nothing was kept.
 */
export async function saveCheckpoint(sql: Sql, name: CheckName, runId: string, point: Checkpoint): Promise<boolean> {
  const [namespaces, memoryIds] = keyLiterals(point.findings);
  const column = (pick: (finding: RecordedFinding) => string | number | null): string =>
    arrayLiteral(point.findings.map(pick));
  const ended = point.ended !== undefined;
  const rows = await sql`
    with progress as (
      update mnemosync.check_progress p set
        position = ${point.position === null ? null : JSON.stringify(point.position)}::text::jsonb,
        checked = ${point.checked}, findings = p.findings + ${point.findings.length}, updated_at = clock_timestamp(),
        finished_at = case when ${ended} then clock_timestamp() end,
        last_clean_at = case when ${point.ended?.clean ?? false} then clock_timestamp() else p.last_clean_at end
      where scope = ${name.scope} and node_id = ${name.nodeId} and run_id = ${runId}
      returning 1
    ), kept as (
      insert into mnemosync.check_findings as f
        (scope, node_id, namespace, memory_id, store, kind, expected_version, found_version, evidence)
      select distinct on (i.namespace, i.memory_id, i.store) ${name.scope}, ${name.nodeId}, i.*
      from progress, unnest(
        ${namespaces}::text::text[],
        ${memoryIds}::text::text[],
        ${column((finding) => finding.store)}::text::text[],
        ${column((finding) => finding.kind)}::text::text[],
        ${column((finding) => finding.expectedVersion)}::text::bigint[],
        ${column((finding) => finding.foundVersion)}::text::bigint[],
        ${column((finding) => finding.evidence)}::text::text[]
      ) as i (namespace, memory_id, store, kind, expected_version, found_version, evidence)
      on conflict (scope, node_id, namespace, memory_id, store) do update set
        kind = excluded.kind, expected_version = excluded.expected_version, found_version = excluded.found_version,
        evidence = excluded.evidence
    )
    select 1 from progress`;
  return rows.length === 1;
}

/** Findings of a check so far. */
export async function readCheckFindings(sql: Sql, name: CheckName, limit: number): Promise<RecordedFinding[]> {
  const rows = await sql<
    {
      namespace: string;
      memory_id: string;
      store: StoreId;
      kind: string;
      expected_version: number | null;
      found_version: number | null;
      evidence: string;
    }[]
  >`
    select namespace, memory_id, store, kind, expected_version::float8 as expected_version,
           found_version::float8 as found_version, evidence
    from mnemosync.check_findings
    where scope = ${name.scope} and node_id = ${name.nodeId}
    order by namespace, memory_id, store
    limit ${limit}`;
  return rows.map((row) => ({
    namespace: row.namespace,
    memoryId: row.memory_id,
    store: row.store,
    kind: row.kind,
    expectedVersion: row.expected_version,
    foundVersion: row.found_version,
    evidence: row.evidence,
  }));
}

/** Forgets findings that were repaired. */
export async function forgetFindings(sql: Sql, findings: readonly (MemoryKey & { store: StoreId })[]): Promise<void> {
  const [namespaces, memoryIds] = keyLiterals(findings);
  await sql`
    delete from mnemosync.check_findings f
    using unnest(
      ${namespaces}::text::text[],
      ${memoryIds}::text::text[],
      ${arrayLiteral(findings.map(({ store }) => store))}::text::text[]
    ) as k (namespace, memory_id, store)
    where f.namespace = k.namespace and f.memory_id = k.memory_id and f.store = k.store`;
}

/** How many open findings there are, of all checks, each counted once. */
export async function countFindings(sql: Sql): Promise<{ store: StoreId; kind: string; count: number }[]> {
  return await sql<{ store: StoreId; kind: string; count: number }[]>`
    select store, kind, count(distinct (namespace, memory_id))::float8 as count
    from mnemosync.check_findings
    group by store, kind
    order by store, kind`;
}

/** Takes or renews a role. @returns whether `holder` has it now, for `ttlMs` from now. */
export async function acquireLease(sql: Sql, name: string, holder: string, ttlMs: number): Promise<boolean> {
  // Nodes may have different settings: a lease of twice the own time to live is legal, whatever that is.
  const aheadMaxMs = Math.max(AHEAD_LEGAL_MS, 2 * ttlMs);
  const rows = await sql`
    insert into mnemosync.leases as l (name, holder, expires_at)
    values (${name}, ${holder}, clock_timestamp() + make_interval(secs => ${ttlMs / 1_000}::float8))
    on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
      where l.holder = excluded.holder or ${hasCome(sql, sql`l.expires_at`, aheadMaxMs)}
    returning 1`;
  return rows.length === 1;
}

/** Gives a role back, if `holder` has it. */
export async function releaseLease(sql: Sql, name: string, holder: string): Promise<void> {
  await sql`delete from mnemosync.leases where name = ${name} and holder = ${holder}`;
}

/** A fact about this deployment that checks remember; null when it was never written. */
export async function readMeta(sql: Sql, name: string): Promise<string | null> {
  const [row] = await sql<{ value: string }[]>`select value from mnemosync.sync_meta where name = ${name}`;
  return row?.value ?? null;
}

export async function writeMeta(sql: Sql, name: string, value: string): Promise<void> {
  await sql`
    insert into mnemosync.sync_meta (name, value) values (${name}, ${value})
    on conflict (name) do update set value = excluded.value`;
}
