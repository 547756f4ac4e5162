/**
 * Milliseconds that a `Retry-After` header asks to wait, given in seconds or as an HTTP date; 0 for a date that has
 * passed. Undefined when there is no header or it is neither.
 */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  const value = header?.trim() ?? "";
  if (/^\d{1,9}(\.\d{1,9})?$/.test(value)) return Math.ceil(Number(value) * 1000);
  // Date.parse alone also takes "-5" or "1.2.3" for dates.
  if (!/^[A-Za-z]{3,9},? /.test(value)) return undefined;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

const STATUS_TRY_LATER: ReadonlySet<number> = new Set([408, 425, 429]);

/** Whether the same request may succeed later: 408, 425, 429 and 5xx. */
export function isTransientStatus(status: number): boolean {
  return status >= 500 || STATUS_TRY_LATER.has(status);
}
