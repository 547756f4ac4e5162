import * as z from "zod";
import type { Pace } from "../../consistency/check/pace.ts";
import { FEED_START, type FeedCursor } from "../../domain/change-source.ts";
import { lazily } from "../../domain/lazily.ts";
import type { MovingLedger } from "../../ledger/moving-ledger.ts";
import type { JobKind } from "../job-kind.ts";
import type { Jobs } from "../jobs.ts";

const inputSchema = lazily(() =>
  z.strictObject({
    /** Memories per transaction: their rows are locked for as long as it takes. */
    batchSize: z.number().int().min(1).max(5_000).default(500),
  }),
);
const resultSchema = lazily(() =>
  z.object({
    moved: z.number(),
    /** Memories that cannot be written as they are: docs/operations.md, Versions beyond the cap. */
    stuck: z.number(),
  }),
);
const checkpointSchema = lazily(() => z.object({ xid: z.string(), seq: z.string(), moved: z.number() }));

export interface MoveBodiesParts {
  readonly ledger: Pick<MovingLedger, "moveBatch" | "countUnmoved" | "replaceFeedIndex">;
  /** That of checks. Ended after each run. */
  readonly pace: () => Pick<Pace, "turn" | "end">;
}

/**
 * Moves what stands in the tables of before migration 19 to `memory_bodies`, in short transactions. Readers know both places,
 * and a write moves the bodies of its memory itself, so nothing waits for the job, and it may stop anywhere.
 */
export function moveBodiesKind(
  parts: MoveBodiesParts,
): JobKind<z.infer<ReturnType<typeof inputSchema>>, z.infer<ReturnType<typeof resultSchema>>> {
  const { ledger } = parts;
  return {
    kind: "move_bodies",
    get inputSchema() {
      return inputSchema();
    },
    get resultSchema() {
      return resultSchema();
    },
    get checkpointSchema() {
      return checkpointSchema();
    },
    whenLost: "resume",
    exclusive: () => "move_bodies",
    async run({ input, signal, progress, checkpoint, resumeFrom }) {
      const pace = parts.pace();
      const from = resumeFrom === null ? null : checkpointSchema().parse(resumeFrom);
      let after: FeedCursor = from ?? FEED_START;
      let moved = from?.moved ?? 0;
      try {
        for (;;) {
          const batch = await ledger.moveBatch(after, input.batchSize, signal);
          moved += batch.moved;
          if (batch.last !== null) {
            after = batch.last;
            progress({ moved });
            await checkpoint({ ...after, moved });
            await pace.turn(batch.moved, signal);
            continue;
          }
          const { movable, stuck } = await ledger.countUnmoved(signal);
          if (movable === 0) {
            await ledger.replaceFeedIndex(signal);
            return { moved, stuck };
          }
          // They were being written when their turn came. A write that was rolled back left them where they are.
          after = FEED_START;
          await pace.turn(input.batchSize, signal);
        }
      } finally {
        pace.end();
      }
    },
  };
}

/** Milliseconds before a job that failed is made again. */
const RETRY_MS = 600_000;

export interface BodyMovesParts {
  readonly ledger: Pick<MovingLedger, "needsMoving">;
  readonly jobs: Pick<Jobs, "enqueue">;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
}

/** Has the bodies moved by some node, once a node sees that there are any. */
export class BodyMoves {
  readonly #parts: BodyMovesParts;
  #isDone = false;
  #nextLookAt = Number.NEGATIVE_INFINITY;

  constructor(parts: BodyMovesParts) {
    this.#parts = parts;
  }

  /** Looks at most every ten minutes, and no more once all is moved. */
  async runOnce(signal: AbortSignal): Promise<void> {
    const { ledger, jobs, clock } = this.#parts;
    if (this.#isDone || clock() < this.#nextLookAt) return;
    if (await ledger.needsMoving(signal)) await jobs.enqueue("move_bodies", {}, { signal });
    else this.#isDone = true;
    this.#nextLookAt = clock() + RETRY_MS;
  }
}
