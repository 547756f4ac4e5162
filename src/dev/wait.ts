import { DeadlineExceededError } from "../domain/errors.ts";

/** How often a condition without a signal of its own is looked at. */
const pollIntervalMs = 10;

/** Resolves after `durationMs`. */
export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/**
 * Asks `probe` every 10 ms until it answers true. The probe is always asked once more after the deadline, so a
 * machine that stalled for longer than the deadline does not fail what is true by now.
 * @throws {DeadlineExceededError} Names `what`. Whatever `probe` throws ends the wait as well.
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
