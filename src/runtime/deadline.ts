import { AbortedError, DeadlineExceededError } from "../domain/errors.ts";
import { isDueWithin, LinkedAbort } from "./linked-abort.ts";
import { onAbort } from "./on-abort.ts";

/**
 * Runs `work` with a signal that fires after `milliseconds`, or with `parent`: that itself, where its own time is up no
 * later. No timer is left when it ends.
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

/** Whether `signal` fired because time was up, rather than because somebody gave up. */
export function isTimeout(signal: AbortSignal): boolean {
  return signal.reason instanceof Error && signal.reason.name === "TimeoutError";
}

/**
 * `promise`, or a rejection with the reason of `signal` once that fires. The promise goes on: its late outcome is
 * ignored, so whoever started it must be able to live with either.
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
        reject(error); // Nobody hears of it where the caller was told the signal's reason already.
      },
    );
  });
}

/** The error a public call gives when `signal` ended it. */
export function abortError(
  what: string,
  signal: AbortSignal,
  deadlineMs: number,
): AbortedError | DeadlineExceededError {
  return isTimeout(signal)
    ? new DeadlineExceededError(what, deadlineMs, { cause: signal.reason })
    : new AbortedError(what, { cause: signal.reason });
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
