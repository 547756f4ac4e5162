import { ConfigurationError } from "../domain/errors.ts";

/**
 * When a scheduled job runs: at an interval, or as a cron expression says. With `jitterMs` up to so many milliseconds later, which are
 * chosen once: schedules of one time do not meet.
 */
export type Rhythm = (
  | { readonly everyMs: number }
  | { readonly cron: string; readonly timeZone?: string | undefined }
) & {
  readonly jitterMs?: number | undefined;
};

/** What the ledger keeps of it. */
export interface KeptRhythm {
  readonly intervalMs: number | null;
  readonly cron: string | null;
  readonly timeZone: string | null;
  /** Milliseconds after its time, and what they were chosen from. */
  readonly delayMs: number;
  readonly jitterMs: number;
}

const INTERVAL_MIN_MS = 1_000;
const JITTER_MAX_MS = 86_400_000;
/** A thousand years: in a number of milliseconds and in a `timestamptz` it is far from any bound. */
const INTERVAL_MAX_MS = 31_557_600_000_000;
/** A cron expression whose last date has passed. */
const NEVER_MS = INTERVAL_MAX_MS;

/** @throws {ConfigurationError} The interval is out of bounds, or the expression, or its time zone, is none. */
export async function keptRhythm(rhythm: Rhythm, random: () => number = Math.random): Promise<KeptRhythm> {
  const { jitterMs = 0 } = rhythm;
  if (!Number.isInteger(jitterMs) || jitterMs < 0 || jitterMs > JITTER_MAX_MS)
    throw new ConfigurationError(`jitterMs is ${jitterMs}: expected a whole number from 0 to ${JITTER_MAX_MS}`);
  const jitter = { jitterMs, delayMs: Math.floor(random() * jitterMs) };
  if ("everyMs" in rhythm) {
    const { everyMs } = rhythm;
    if (Number.isInteger(everyMs) && everyMs >= INTERVAL_MIN_MS && everyMs <= INTERVAL_MAX_MS) {
      return { intervalMs: everyMs, cron: null, timeZone: null, ...jitter };
    }
    throw new ConfigurationError(
      `everyMs is ${everyMs}: expected a whole number from ${INTERVAL_MIN_MS} to ${INTERVAL_MAX_MS}`,
    );
  }
  const kept = { intervalMs: null, cron: rhythm.cron, timeZone: rhythm.timeZone ?? "UTC", ...jitter };
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
  const { intervalMs, cron, timeZone, delayMs } = rhythm;
  if (cron !== null) {
    const next = await nextOfCron(cron, timeZone ?? "UTC", now - delayMs);
    return next === null ? now + NEVER_MS : next + delayMs;
  }
  const everyMs = intervalMs ?? NEVER_MS;
  // A due time more than one interval ahead was set by a clock that was ahead.
  if (dueAt === null || dueAt > now) return now + everyMs + (dueAt === null ? delayMs : 0);
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
