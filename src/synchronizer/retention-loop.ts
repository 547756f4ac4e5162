import type { Jobs } from "../jobs/jobs.ts";
import { RETENTION } from "../jobs/kinds/retention.ts";
import type { Log } from "../runtime/log.ts";
import { Loop } from "../runtime/loop.ts";

/** Milliseconds between two runs of the retention, and between two looks whether one is due. */
const EVERY_MS = 3_600_000;
const LOOK_MS = 5_000;

/** Has the retention's job run each hour, as long as this node leads. After a change of the leader it may run sooner. */
export function retentionLoop(parts: {
  readonly jobs: Pick<Jobs, "enqueue">;
  readonly isLeader: () => boolean;
  readonly log: Log;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}): Loop {
  let startedAt = Number.NEGATIVE_INFINITY;
  return new Loop({
    name: "retention",
    intervalMs: LOOK_MS,
    log: parts.log,
    pass: async (signal) => {
      if (!parts.isLeader() || parts.now() - startedAt < EVERY_MS) return false;
      await parts.jobs.enqueue(RETENTION, {}, { signal });
      startedAt = parts.now();
      return false;
    },
  });
}
