/** How long to wait before the next attempt at what keeps failing. */
export interface Backoff {
  /** Milliseconds of the first wait, at most. */
  readonly baseMs: number;
  /** Milliseconds that no wait exceeds. */
  readonly maxMs: number;
  /** 0 … 1. @default Math.random */
  readonly random?: () => number;
}

/** Beyond this many doublings a wait is longer than any process lives; it also keeps the figure finite. */
const DOUBLINGS_MAX = 30;

/**
 * The longest wait after `failures` failures in a row (1, 2, 3 …): `baseMs` after the first, twice as long after each
 * further one, up to `maxMs`. Without a random part: for a single client, or where the caller adds one.
 */
export function backoffCeilingMs(failures: number, { baseMs, maxMs }: Backoff): number {
  return Math.min(baseMs * 2 ** Math.min(Math.max(failures, 1) - 1, DOUBLINGS_MAX), maxMs);
}

/**
 * A wait drawn between 0 and the ceiling ("full jitter"): clients that failed together don't return together.
 * @returns whole milliseconds.
 */
export function backoffMs(failures: number, backoff: Backoff): number {
  return Math.floor((backoff.random ?? Math.random)() * backoffCeilingMs(failures, backoff));
}
