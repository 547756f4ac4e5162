import { AbortedError, DeadlineExceededError } from "../errors.ts";
import { LinkedAbort } from "./linked-abort.ts";

/** Runs `work` with a signal that fires after `milliseconds`, or with `parent`. No timer is left when it ends. */
export async function withDeadline<T>(
  milliseconds: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
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
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (abort !== undefined) signal.removeEventListener("abort", abort);
    promise.catch(ignoreLateFailure);
  }
}

function ignoreLateFailure(): void {
  // The caller was told the signal's reason already.
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
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
