/** The time between a copy of the ledger and the moment at which it took the ledger's place, in milliseconds since 1970. */
export interface LossWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Milliseconds after a ledger or a store went back within which a reader may still be shown what was lost: until a
 * leader's pass has noticed it, with lease and interval of the run's nodes, and deadlines of calls under way.
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

/** Whether a read may have been shown what the ledger lost. */
export function mayBeStale({ beganAt, endedAt }: Span, windows: readonly LossWindow[]): boolean {
  return windows.some(({ fromMs, toMs }) => endedAt >= fromMs && beganAt <= toMs + NOTICED_WITHIN_MS);
}
