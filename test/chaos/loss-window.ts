/** The time between a copy of the ledger and the moment at which it took the ledger's place, in milliseconds since 1970. */
export interface LossWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Milliseconds within which a reader may still be shown what was lost, from the moment at which the ledger that went back
 * answers: until each node has proven it, by a look of 10 s at most where a link gives no answer, and deadlines of calls under
 * way. See "PostgreSQL is away, Redis answers" in docs/guarantees.md.
 */
export const NOTICED_WITHIN_MS = 20_000;

interface Span {
  readonly beganAt: number;
  readonly endedAt: number;
}

/** Whether a call may have been committed after the copy and before the copy was put in place. */
export function mayBeLost({ beganAt, endedAt }: Span, windows: readonly LossWindow[]): boolean {
  return windows.some(({ fromMs, toMs }) => endedAt >= fromMs && beganAt <= toMs);
}

/** Milliseconds between the end of the window that excuses a read and the read; 0 where a window was open. */
export function staleForMs({ beganAt, endedAt }: Span, windows: readonly LossWindow[]): number {
  const ages = windows.filter(({ fromMs }) => fromMs <= endedAt).map(({ toMs }) => Math.max(0, beganAt - toMs));
  return Math.min(NOTICED_WITHIN_MS, ...ages);
}

/**
 * Whether a read may have been shown an older version than one before it. A node whose link to a Redis that was left behind
 * did not break may read from it until the sentinel makes it a replica, which breaks that link: the window ends then, and
 * with it every excuse.
 */
export function mayBeOlder({ beganAt, endedAt }: Span, windows: readonly LossWindow[]): boolean {
  return windows.some(({ fromMs, toMs }) => endedAt >= fromMs && beganAt <= toMs);
}

/** Whether a read may have been shown what the ledger lost. */
export function mayBeStale({ beganAt, endedAt }: Span, windows: readonly LossWindow[]): boolean {
  return windows.some(({ fromMs, toMs }) => endedAt >= fromMs && beganAt <= toMs + NOTICED_WITHIN_MS);
}
