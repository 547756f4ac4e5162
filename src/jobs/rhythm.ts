import { ConfigurationError } from "../domain/errors.ts";

/** When a scheduled job runs: at an interval, or as a cron expression says. */
export type Rhythm = { readonly everyMs: number } | { readonly cron: string; readonly timeZone?: string | undefined };

/** What the ledger keeps of it. */
export interface KeptRhythm {
  readonly intervalMs: number | null;
  readonly cron: string | null;
  readonly timeZone: string | null;
}

const INTERVAL_MIN_MS = 1_000;
/** A thousand years: in a number of milliseconds and in a `timestamptz` it is far from any bound. */
const INTERVAL_MAX_MS = 31_557_600_000_000;
/** A cron expression whose last date has passed. */
const NEVER_MS = INTERVAL_MAX_MS;

/** @throws {ConfigurationError} The interval is out of bounds, or the expression, or its time zone, is none. */
export async function keptRhythm(rhythm: Rhythm): Promise<KeptRhythm> {
  if ("everyMs" in rhythm) {
    const { everyMs } = rhythm;
    if (Number.isInteger(everyMs) && everyMs >= INTERVAL_MIN_MS && everyMs <= INTERVAL_MAX_MS) {
      return { intervalMs: everyMs, cron: null, timeZone: null };
    }
    throw new ConfigurationError(
      `everyMs is ${everyMs}: expected a whole number from ${INTERVAL_MIN_MS} to ${INTERVAL_MAX_MS}`,
    );
  }
  const kept = { intervalMs: null, cron: rhythm.cron, timeZone: rhythm.timeZone ?? "UTC" };
  const next = await nextOfCron(kept.cron, kept.timeZone, Date.now());
  if (next === null) throw new ConfigurationError(`cron ${JSON.stringify(rhythm.cron)} has no date in the future`);
  return kept;
}

/**
 * The next due time, after `now`. Missed runs are not repeated one by one: however many were missed, one run takes their
 * place. An interval keeps its phase, whatever the delay of each run.
 * @param dueAt the due time until now; null: there was none. All in milliseconds since 1970, by the server's clock.
 */
export async function nextDue(rhythm: KeptRhythm, dueAt: number | null, now: number): Promise<number> {
  const { intervalMs, cron, timeZone } = rhythm;
  if (cron !== null) return (await nextOfCron(cron, timeZone ?? "UTC", now)) ?? now + NEVER_MS;
  const everyMs = intervalMs ?? NEVER_MS;
  // A due time more than one interval ahead was set by a clock that was ahead.
  if (dueAt === null || dueAt > now) return now + everyMs;
  return dueAt + everyMs * (Math.floor((now - dueAt) / everyMs) + 1);
}

/** @throws {ConfigurationError} */
async function nextOfCron(expression: string, timeZone: string, now: number): Promise<number | null> {
  const { Cron } = await import("croner"); // Only where a schedule has an expression.
  try {
    return new Cron(expression, { timezone: timeZone }).nextRun(new Date(now))?.getTime() ?? null;
  } catch (cause) {
    throw new ConfigurationError(
      `cron ${JSON.stringify(expression)} in time zone ${timeZone}: ${(cause as Error).message}`,
      { cause },
    );
  }
}
