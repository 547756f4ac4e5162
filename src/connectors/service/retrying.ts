import { type Backoff, backoffMs } from "../../runtime/backoff.ts";
import { pause } from "../../runtime/deadline.ts";
import { ServiceError } from "./service-error.ts";

export interface RetryOptions extends Backoff {
  /** Calls at most, the first one included. */
  readonly attemptsMax: number;
  /** Milliseconds that a service may ask to wait. Where it asks for more, the call fails at once. */
  readonly retryAfterMaxMs: number;
  /** Told before each wait. */
  readonly onRetry?: (wait: {
    readonly attempt: number;
    readonly waitMs: number;
    readonly error: ServiceError;
  }) => void;
  /** Waits; returns early once the signal fires. @default a timer */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Calls until it succeeds, and again only after a transient failure. Once `signal` fires, a wait ends at once.
 * @throws {ServiceError} of the last call. @throws the reason of `signal`.
 */
export async function retrying<T>(
  options: RetryOptions,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call(signal);
    } catch (error) {
      await waitAfter(error, attempt, options, signal);
    }
  }
}

/**
 * Waits after a failed call until the next one may be made: with full jitter, and at least as long as the service asks
 * (`Retry-After`).
 * @throws `error`, where another call makes no sense. @throws the reason of `signal`.
 */
export async function waitAfter(
  error: unknown,
  attempt: number,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (!(error instanceof ServiceError) || !error.retryable || attempt >= options.attemptsMax) throw error;
  const askedMs = error.retryAfterMs ?? 0;
  if (askedMs > options.retryAfterMaxMs) throw error;
  const waitMs = Math.max(askedMs, backoffMs(attempt, options));
  options.onRetry?.({ attempt, waitMs, error });
  await (options.pause ?? pause)(waitMs, signal);
  signal.throwIfAborted();
}
