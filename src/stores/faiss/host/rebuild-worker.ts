import { setPriority } from "node:os";
import { loadFaiss } from "./faiss.ts";
import { type RebuildJob, type RebuildResult, rebuild } from "./rebuild-job.ts";

/**
 * A short-lived process that builds one index. Training and adding block for seconds to hours, and an exception inside
 * FAISS aborts the process, so the host cannot do it itself. `rebuilder.ts` starts the worker; it ends with its result or
 * with its owner.
 */
export type RebuildAnswer = { readonly result: RebuildResult } | { readonly error: string };

/** Process priority of index builds, which take minutes: searches and writes go first. Compaction must keep up with writes. */
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

// Also fires when the owner was killed: the result has no receiver any more.
process.on("disconnect", () => process.exit(0));
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
