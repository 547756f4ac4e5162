import type { Fragment, Sql } from "../drivers/postgres/postgres-access.ts";

/**
 * Milliseconds that any version of the program sets a time ahead, at most, twice: leases, and pauses between attempts. A
 * time further ahead was written while the server's clock was ahead, so it counts as past: otherwise its row would wait for
 * as long as the clock was wrong.
 */
export const AHEAD_LEGAL_MS = 600_000;

/** Milliseconds that a clock may be corrected without any effect: clocks are corrected in small steps all the time. */
export const CLOCK_SLACK_MS = 1_000;

/**
 * Whether a time that was set ahead (a lease's end, the next attempt) has come.
 * @param aheadMaxMs milliseconds that it may legally lie ahead.
 */
export function hasCome(sql: Sql, column: Fragment, aheadMaxMs = AHEAD_LEGAL_MS): Fragment {
  return sql`(${column} <= clock_timestamp()
    or ${column} > clock_timestamp() + ${aheadMaxMs}::float8 * interval '1 millisecond')`;
}

/** Whether a time that was read from the clock lies `ageMs` milliseconds back, or in the future, where none can be. */
export function isOlderThan(sql: Sql, column: Fragment, ageMs: number): Fragment {
  return sql`(${column} < clock_timestamp() - ${ageMs}::float8 * interval '1 millisecond'
    or ${column} > clock_timestamp() + ${CLOCK_SLACK_MS}::float8 * interval '1 millisecond')`;
}

/**
 * Whether a row may be forgotten that is to be kept for `retentionMs` milliseconds. One from the future is kept for that
 * long at least, so that no correction of the clock cuts its time short; one from further ahead would be kept for ever.
 */
export function isBeyondRetention(sql: Sql, column: Fragment, retentionMs: number): Fragment {
  return sql`(${column} < clock_timestamp() - ${retentionMs}::float8 * interval '1 millisecond'
    or ${column} > clock_timestamp() + ${retentionMs}::float8 * interval '1 millisecond')`;
}
