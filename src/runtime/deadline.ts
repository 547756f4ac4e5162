import { AbortedError, DeadlineExceededError, StoreUnavailableError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import { isDueWithin, LinkedAbort } from "./linked-abort.ts";
import { onAbort } from "./on-abort.ts";

/**
 * Runs `work` with a signal that fires after `milliseconds`, or when `parent` fires. If the deadline of `parent` is no
 * later, the signal is `parent` itself. No timer is left when the work ends.
 */
export async function withDeadline<T>(
  milliseconds: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (parent !== undefined && isDueWithin(parent, milliseconds)) return await work(parent);
  const abort = new LinkedAbort(parent, milliseconds);
  try {
    return await work(abort.signal);
  } finally {
    abort.release();
  }
}

/** Whether `signal` fired because a deadline passed, rather than because a caller gave up. */
export function isTimeout({ reason }: AbortSignal): boolean {
  return reason instanceof DeadlineExceededError || (reason instanceof Error && reason.name === "TimeoutError");
}

/**
 * Settles as `promise` does, or rejects with the reason of `signal` once that fires. The promise goes on, and its late
 * outcome is ignored: the caller must be able to live with either.
 */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const forget = onAbort(signal, () => reject(signal.reason));
    promise.then(
      (value) => {
        forget();
        resolve(value);
      },
      (error: unknown) => {
        forget();
        reject(error); // No effect if the promise was rejected with the signal's reason before.
      },
    );
  });
}

/** The error that a public call gives when `signal` ended it. */
export function abortError(
  what: string,
  signal: AbortSignal,
  deadlineMs: number,
): AbortedError | DeadlineExceededError {
  return isTimeout(signal)
    ? new DeadlineExceededError(what, deadlineMs, { cause: signal.reason })
    : new AbortedError(what, { cause: signal.reason });
}

/** The error that a call to a store gives when `signal` ended it: after a deadline the store counts as unavailable. */
export function storeAbortError(
  store: StoreId,
  signal: AbortSignal,
  cause: unknown = signal.reason,
): StoreUnavailableError | AbortedError {
  return isTimeout(signal)
    ? new StoreUnavailableError(store, "no answer before the deadline", { cause })
    : new AbortedError(`a call to ${store}`, { cause: signal.reason });
}

/** Waits, or returns early once `signal` fires. Never rejects. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, milliseconds);
    const forget = onAbort(signal, done);
    function done(): void {
      clearTimeout(timer);
      forget();
      resolve();
    }
  });
}
