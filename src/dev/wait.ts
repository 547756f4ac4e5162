import { DeadlineExceededError } from "../domain/errors.ts";

/** Milliseconds between two tests of a condition that has no signal. */
const pollIntervalMs = 10;

/** Resolves after `durationMs`. */
export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/**
 * Asks `probe` every 10 ms until it answers true. The probe is always asked once more after the deadline, so
 * that a condition that became true while the machine stalled does not fail.
 * @throws {DeadlineExceededError} Names `what`. An error of `probe` ends the wait as well.
 */
export async function pollUntil(
  what: string,
  deadlineMs: number,
  probe: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const isLast = performance.now() >= deadline;
    if (await probe()) return;
    if (isLast) throw new DeadlineExceededError(what, deadlineMs);
    await pause(pollIntervalMs);
  }
}
