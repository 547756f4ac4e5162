import type { WorkHooks } from "../../../src/connectors/hosted/work.ts";
import { pause as timer } from "../../../src/runtime/deadline.ts";

/** Milliseconds that a pause really takes, at most. */
const PAUSE_MS = 20;

/**
 * The time of a run that does not wait: its pauses are short, and its clock goes on as if they were not.
 * @param factor times that a pause takes longer by this clock than was asked for: there are fewer of them until something is due.
 */
export function fastTime(factor = 1): Required<Pick<WorkHooks, "now" | "pause">> {
  let skippedMs = 0;
  return {
    now: () => Date.now() + skippedMs,
    async pause(milliseconds, signal) {
      const reallyMs = Math.min(milliseconds, PAUSE_MS);
      skippedMs += milliseconds * factor - reallyMs;
      await timer(reallyMs, signal);
    },
  };
}
