import { setPriority } from "node:os";
import { loadFaiss } from "./faiss.ts";
import { type RebuildJob, type RebuildResult, rebuild } from "./rebuild-job.ts";

/**
 * A short-lived process that builds one index: training and adding take seconds to hours in which nothing else could be
 * served, and an exception inside FAISS aborts the process. Started by `rebuilder.ts`; ends with its answer or its owner.
 */
export type RebuildAnswer = { readonly result: RebuildResult } | { readonly error: string };

/** For what takes minutes: searches and writes come first. Clearing away the dead must keep up with the writes. */
const NICENESS = 10;

process.once("message", (job: RebuildJob) => {
  if (job.main !== null) setPriority(NICENESS);
  rebuild(loadFaiss(), job).then(
    (result) => answer({ result }),
    (error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }),
  );
});

function answer(message: RebuildAnswer): void {
  process.send?.(message, undefined, undefined, () => process.disconnect());
}

// Also when the owner was killed: nobody waits for the result any more.
process.on("disconnect", () => process.exit(0));
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
