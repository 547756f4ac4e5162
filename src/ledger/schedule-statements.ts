import type { Sql } from "../drivers/postgres/postgres-access.ts";
import { arrayLiteral } from "./arrays.ts";
import { CLOCK_SLACK_MS } from "./stored-times.ts";

/** A schedule as its row says; `input` is JSON. Times are milliseconds since 1970. */
export interface ScheduleRow {
  readonly name: string;
  readonly kind: string;
  readonly input: string;
  readonly intervalMs: number | null;
  readonly cron: string | null;
  readonly timeZone: string | null;
  /** Milliseconds after its time at which it is due, and what they were chosen from. */
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly dueAt: number;
  readonly lastJobId: string | null;
}

/** The server's clock. */
export async function readClock(sql: Sql): Promise<number> {
  const [row] = await sql<{ now: number }[]>`select extract(epoch from clock_timestamp())::float8 * 1000 as now`;
  return Math.floor(row?.now ?? 0);
}

/**
 * Creates a schedule, or replaces one of that name. One that stays as it was keeps its due time, so that a node which
 * declares its schedules at each start does not put them off again and again.
 */
export async function putSchedule(sql: Sql, schedule: Omit<ScheduleRow, "lastJobId">, now: number): Promise<void> {
  const { name, kind, input, intervalMs, cron, timeZone, delayMs, jitterMs, dueAt } = schedule;
  await sql`
    insert into mnemosync.job_schedules as s
      (name, kind, input, interval_ms, cron, time_zone, delay_ms, jitter_ms, due_at, ahead_ms)
    values (${name}, ${kind}, ${input}::text::json, ${intervalMs}::float8::bigint, ${cron}, ${timeZone},
            ${delayMs}::float8::bigint, ${jitterMs}::float8::bigint,
            to_timestamp(${dueAt}::float8 / 1000), ${Math.max(0, dueAt - now)}::float8::bigint)
    on conflict (name) do update set
      kind = excluded.kind, input = excluded.input, interval_ms = excluded.interval_ms, cron = excluded.cron,
      time_zone = excluded.time_zone, jitter_ms = excluded.jitter_ms,
      delay_ms = case when (s.interval_ms, s.cron, s.time_zone, s.jitter_ms)
                           is not distinct from (excluded.interval_ms, excluded.cron, excluded.time_zone, excluded.jitter_ms)
                      then s.delay_ms else excluded.delay_ms end,
      due_at = case when (s.interval_ms, s.cron, s.time_zone, s.jitter_ms)
                         is not distinct from (excluded.interval_ms, excluded.cron, excluded.time_zone, excluded.jitter_ms)
                    then s.due_at else excluded.due_at end,
      ahead_ms = case when (s.interval_ms, s.cron, s.time_zone, s.jitter_ms)
                           is not distinct from (excluded.interval_ms, excluded.cron, excluded.time_zone, excluded.jitter_ms)
                      then s.ahead_ms else excluded.ahead_ms end`;
}

/** @returns false when there was none. */
export async function dropSchedule(sql: Sql, name: string): Promise<boolean> {
  const dropped = await sql`delete from mnemosync.job_schedules where name = ${name}`;
  return dropped.count === 1;
}

/** In the order of names. */
export async function listSchedules(sql: Sql, limit: number): Promise<ScheduleRow[]> {
  return await sql<ScheduleRow[]>`
    select name, kind, input::text as input, interval_ms::float8 as "intervalMs", cron, time_zone as "timeZone",
           delay_ms::float8 as "delayMs", jitter_ms::float8 as "jitterMs",
           extract(epoch from due_at)::float8 * 1000 as "dueAt", last_job_id as "lastJobId"
    from mnemosync.job_schedules order by name limit ${limit}`;
}

/** When these schedules are due; those that there are, in no order. Times are milliseconds since 1970. */
export async function readDueTimes(sql: Sql, names: readonly string[]): Promise<Pick<ScheduleRow, "name" | "dueAt">[]> {
  return await sql<Pick<ScheduleRow, "name" | "dueAt">[]>`
    select name, extract(epoch from due_at)::float8 * 1000 as "dueAt"
    from mnemosync.job_schedules where name = any (${arrayLiteral(names)}::text::text[])`;
}

/**
 * Schedules of these kinds that are due, and those whose due time lies further ahead than when it was set: the server's
 * clock was ahead then, and they would wait for as long as it was wrong. Locked until the transaction ends; those that
 * another node looks at are left out.
 */
export async function lockSchedules(sql: Sql, kinds: readonly string[], limit: number): Promise<ScheduleRow[]> {
  return await sql<ScheduleRow[]>`
    select name, kind, input::text as input, interval_ms::float8 as "intervalMs", cron, time_zone as "timeZone",
           delay_ms::float8 as "delayMs", jitter_ms::float8 as "jitterMs",
           extract(epoch from due_at)::float8 * 1000 as "dueAt", last_job_id as "lastJobId"
    from mnemosync.job_schedules
    where kind = any (${arrayLiteral(kinds)}::text::text[])
      and (due_at <= clock_timestamp()
           or due_at > clock_timestamp() + (ahead_ms + ${CLOCK_SLACK_MS}) * interval '1 millisecond')
    order by due_at
    limit ${limit}
    for update skip locked`;
}

/** Moves the due time on. @param jobId the job that was made; null: none was. */
export async function rescheduleAt(
  sql: Sql,
  name: string,
  dueAt: number,
  now: number,
  jobId: string | null,
): Promise<void> {
  await sql`
    update mnemosync.job_schedules
    set due_at = to_timestamp(${dueAt}::float8 / 1000), ahead_ms = ${Math.max(0, dueAt - now)}::float8::bigint,
        last_job_id = coalesce(${jobId}, last_job_id)
    where name = ${name}`;
}
