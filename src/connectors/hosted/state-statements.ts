import type { Fragment, Sql } from "../../drivers/postgres/postgres-access.ts";
import { keptCounts, type RunRecord } from "../state/state.ts";

/** Runs of a connector that are kept. */
const RUNS_MAX = 1_000;

/** Which state, and which process may write to it. */
export interface StateWriter {
  readonly connector: string;
  readonly writer: string;
}

type RunRow = Omit<RunRecord, "counts" | "cursorBefore" | "cursorAfter" | "error"> & {
  readonly counts: string;
  readonly cursorBefore: string | null;
  readonly cursorAfter: string | null;
  readonly error: string | null;
};

/**
 * Takes a connector for a run, and ends those that dead processes left. A run that is taken up again, after its process was
 * lost, goes on under its id. The writer of before changes nothing from here on.
 * @returns the run in its way: one whose job is alive.
 */
export async function beginRun(
  sql: Sql,
  { connector, writer }: StateWriter,
  run: RunRecord,
): Promise<RunRecord | null> {
  await sql`begin`;
  await sql`insert into mnemosync.connector_states (connector) values (${connector}) on conflict do nothing`;
  const [state] = await sql<{ runId: string | null; isAlive: boolean }[]>`
    select s.run_id as "runId", coalesce(j.state = 'running' and j.lease_expires_at > clock_timestamp(), false) as "isAlive"
    from mnemosync.connector_states s left join mnemosync.jobs j on j.id = s.run_id
    where s.connector = ${connector} for update of s`;
  if (state?.isAlive && state.runId !== run.id) {
    const running = await readRun(sql, connector, state.runId ?? "");
    await sql`rollback`;
    if (running !== null) return running;
    return { ...run, id: state.runId ?? "" };
  }
  await sql`
    update mnemosync.connector_runs
    set state = 'interrupted', ended_at = to_timestamp(${run.startedAt}::float8 / 1000)
    where connector = ${connector} and state = 'running' and id <> ${run.id}`;
  await sql`
    insert into mnemosync.connector_runs as r
      (connector, id, state, scope, counts, started_at, cursor_before, cursor_after)
    values (${connector}, ${run.id}, 'running', ${run.scope}, ${JSON.stringify(run.counts)}::text::json,
            to_timestamp(${run.startedAt}::float8 / 1000), ${cursorText(run.cursorBefore)}::text::json,
            ${cursorText(run.cursorAfter)}::text::json)
    on conflict (connector, id) do update set state = 'running', ended_at = null, error = null`;
  await sql`
    update mnemosync.connector_states set run_id = ${run.id}, writer = ${writer} where connector = ${connector}`;
  await sql`
    delete from mnemosync.connector_runs where connector = ${connector} and seq <= (
      select seq from mnemosync.connector_runs where connector = ${connector} order by seq desc offset ${RUNS_MAX} limit 1)`;
  await sql`commit`;
  return null;
}

/** The write of a run's row as a part of a statement that has `held`, the state's row while it is this writer's. */
export function runUpdate(sql: Sql, connector: string, run: RunRecord): Fragment {
  return sql`
    update mnemosync.connector_runs r
    set state = ${run.state}, counts = ${JSON.stringify(run.counts)}::text::json,
        ended_at = to_timestamp(${run.endedAt}::float8 / 1000),
        cursor_before = ${cursorText(run.cursorBefore)}::text::json,
        cursor_after = ${cursorText(run.cursorAfter)}::text::json,
        error = ${run.error === null ? null : JSON.stringify(run.error)}::text::json
    from held where r.connector = ${connector} and r.id = ${run.id}`;
}

/** The state's row, while it is this writer's: locked, so that no other process takes it before the statement is through. */
export function heldState(sql: Sql, { connector, writer }: StateWriter): Fragment {
  return sql`
    select connector from mnemosync.connector_states
    where connector = ${connector} and writer = ${writer} for update`;
}

/**
 * Ends a run, and gives the connector free.
 * @param cursor where the next run reads on; undefined: as before.
 * @returns false when another process has the connector: nothing was kept.
 */
export async function endRun(
  sql: Sql,
  state: StateWriter,
  run: RunRecord,
  cursor: number | string | null | undefined,
): Promise<boolean> {
  const isGood = run.state === "succeeded" || run.state === "partial";
  const [row] = await sql<{ held: number }[]>`
    with held as materialized (${heldState(sql, state)}), ran as (${runUpdate(sql, state.connector, run)}),
    freed as (
      update mnemosync.connector_states s
      set run_id = null, writer = null,
          cursor = case when ${cursor === undefined}::boolean then s.cursor else ${cursorText(cursor ?? null)}::text::json end,
          failures = case when ${isGood}::boolean then 0 when ${run.state === "failed"}::boolean then failures + 1 else failures end,
          succeeded_at = case when ${isGood}::boolean then clock_timestamp() else succeeded_at end
      from held where s.connector = held.connector
    )
    select count(*)::int as held from held`;
  return row?.held === 1;
}

export interface StateRow {
  readonly connector: string;
  readonly runId: string | null;
  readonly cursor: number | string | null;
  readonly reading: string | null;
  readonly transform: string | null;
  readonly pausedAt: number | null;
  readonly pausedBecause: "operator" | "authentication" | null;
  readonly failures: number;
  readonly succeededAt: number | null;
}

/** Null: the connector has not run yet. */
export async function readState(sql: Sql, connector: string): Promise<StateRow | null> {
  const [row] = await listStates(sql, [connector]);
  return row ?? null;
}

export async function listStates(sql: Sql, connectors: readonly string[]): Promise<StateRow[]> {
  const rows = await sql<(Omit<StateRow, "cursor"> & { cursor: string | null })[]>`
    select s.connector, s.run_id as "runId", s.cursor::text as cursor, s.reading, s.transform, s.failures,
           extract(epoch from s.paused_at)::float8 * 1000 as "pausedAt", s.paused_because as "pausedBecause",
           extract(epoch from s.succeeded_at)::float8 * 1000 as "succeededAt"
    from jsonb_array_elements_text(${JSON.stringify(connectors)}::text::jsonb) as c (id)
    join mnemosync.connector_states s on s.connector = c.id`;
  return rows.map((row) => ({ ...row, cursor: cursorOf(row.cursor) }));
}

/** Notes by which transform all texts of a sink were made. */
export async function keepTransform(sql: Sql, connector: string, version: string): Promise<void> {
  await sql`update mnemosync.connector_states set transform = ${version} where connector = ${connector}`;
}

/**
 * Forgets where a connector has read to: its next run reads from the start. What it knows of items and records stays.
 * @returns the run that goes on, where one does: nothing was changed.
 */
export async function resetState(sql: Sql, connector: string): Promise<string | null> {
  const [row] = await sql<{ runId: string | null }[]>`
    with state as materialized (
      select s.connector, case when j.state = 'running' and j.lease_expires_at > clock_timestamp() then s.run_id end as run_id
      from mnemosync.connector_states s left join mnemosync.jobs j on j.id = s.run_id
      where s.connector = ${connector} for update of s
    ), reset as (
      update mnemosync.connector_states s set cursor = null, reading = null
      from state where s.connector = state.connector and state.run_id is null
    )
    select run_id as "runId" from state`;
  return row?.runId ?? null;
}

/** @param because null: it is not paused any more, whatever the reason was. */
export async function pauseState(sql: Sql, connector: string, because: StateRow["pausedBecause"]): Promise<void> {
  await sql`
    insert into mnemosync.connector_states as s (connector, paused_at, paused_because)
    values (${connector}, case when ${because}::text is not null then clock_timestamp() end, ${because})
    on conflict (connector) do update set
      paused_at = case when excluded.paused_because is null then null else coalesce(s.paused_at, excluded.paused_at) end,
      paused_because = excluded.paused_because`;
}

export async function readRun(sql: Sql, connector: string, id: string): Promise<RunRecord | null> {
  const [row] = await sql<RunRow[]>`
    select ${runColumns(sql)} from mnemosync.connector_runs r where connector = ${connector} and id = ${id}`;
  return row === undefined ? null : runOf(row);
}

/** The newest first. @param before the id of a run: those that began before it; null: from the newest on. */
export async function listRuns(
  sql: Sql,
  connector: string,
  before: string | null,
  limit: number,
): Promise<RunRecord[]> {
  const rows = await sql<RunRow[]>`
    select ${runColumns(sql)} from mnemosync.connector_runs r
    where connector = ${connector}
      and (${before}::text is null or seq < (
        select seq from mnemosync.connector_runs where connector = ${connector} and id = ${before}))
    order by seq desc limit ${limit}`;
  return rows.map(runOf);
}

function runColumns(sql: Sql): Fragment {
  return sql`
    r.id, r.state, r.scope, r.counts::text as counts, extract(epoch from r.started_at)::float8 * 1000 as "startedAt",
    extract(epoch from r.ended_at)::float8 * 1000 as "endedAt", r.cursor_before::text as "cursorBefore",
    r.cursor_after::text as "cursorAfter", r.error::text as error`;
}

function runOf(row: RunRow): RunRecord {
  return {
    ...row,
    counts: keptCounts(JSON.parse(row.counts) as Partial<RunRecord["counts"]>),
    startedAt: Math.round(row.startedAt),
    endedAt: row.endedAt === null ? null : Math.round(row.endedAt),
    cursorBefore: cursorOf(row.cursorBefore),
    cursorAfter: cursorOf(row.cursorAfter),
    error: row.error === null ? null : (JSON.parse(row.error) as RunRecord["error"]),
  };
}

/** A cursor is a time or a text: JSON keeps the difference. */
export function cursorText(cursor: number | string | null): string | null {
  return cursor === null ? null : JSON.stringify(cursor);
}

function cursorOf(text: string | null): number | string | null {
  return text === null ? null : (JSON.parse(text) as number | string);
}
