/**
 * Moments of the write path, in order. Fault tests stop the world at them; they change nothing by themselves. `starting`:
 * nothing was sent yet. `locked`: the rows are locked and, of a small chunk, written where they were guessed right.
 * `publishing`: the first of the stores has answered. `marked`: after the answer, once for each group of transactions.
 */
export const WRITE_STEPS = [
  "starting",
  "locked",
  "prepared",
  "committing",
  "committed",
  "publishing",
  "published",
  "marked",
] as const;
export type WriteStep = (typeof WRITE_STEPS)[number];

/** Called at each step. An error that it throws fails the write before the commit, and is only logged after it. */
export type OnWriteStep = (step: WriteStep) => void | Promise<void>;
