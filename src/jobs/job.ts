import * as z from "zod";
import { InternalError } from "../domain/errors.ts";
import { lazily } from "../domain/lazily.ts";
import type { JobRow } from "../ledger/job-statements.ts";

/**
 *   queued ──claimed──► running ──► done | failed | cancelled (final)
 *      ▲                   │
 *      └── node stopped ───┘   resumable kinds; a lost node's job of any other kind is failed, with code INTERRUPTED
 */
export const JOB_STATES = ["queued", "running", "done", "failed", "cancelled"] as const;
export type JobState = (typeof JOB_STATES)[number];

const errorSchema = lazily(() => z.object({ code: z.string(), message: z.string() }));
const progressSchema = lazily(() => z.record(z.string(), z.number()));

/** Figures of a job by name; which ones depends on the kind. */
export type JobProgress = Readonly<Record<string, number>>;

/** Work that outlives its request and its process, as the ledger keeps it. */
export interface Job {
  /** A ULID. */
  readonly id: string;
  readonly kind: string;
  readonly state: JobState;
  /** JSON, as the kind's schema made it. */
  readonly input: unknown;
  readonly progress: JobProgress;
  /** The node that runs it, or ran it last; null while it is queued for the first time. */
  readonly nodeId: string | null;
  /** The schedule that made it; null: a caller did. */
  readonly schedule: string | null;
  /** Times that a node began it or took it over. */
  readonly attempts: number;
  /** ISO-8601. */
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** JSON, as the kind's schema describes it; null until the job is done, and in lists. */
  readonly result: unknown;
}

/** The code of a job that was lost with its node, or stopped with it. */
export const INTERRUPTED = "INTERRUPTED";

/** @throws {InternalError} The row was not written by any version of the program. */
export function parseJob(row: JobRow): Job {
  try {
    return {
      id: row.id,
      kind: row.kind,
      state: z.enum(JOB_STATES).parse(row.state),
      input: JSON.parse(row.input) as unknown,
      progress: progressSchema().parse(JSON.parse(row.progress)),
      nodeId: row.nodeId,
      schedule: row.schedule,
      attempts: row.attempts,
      createdAt: isoTime(row.createdAt),
      startedAt: row.startedAt === null ? null : isoTime(row.startedAt),
      endedAt: row.endedAt === null ? null : isoTime(row.endedAt),
      error: row.error === null ? null : errorSchema().parse(JSON.parse(row.error)),
      result: row.result === null ? null : (JSON.parse(row.result) as unknown),
    };
  } catch (cause) {
    throw new InternalError(`job ${row.id} can't be read back: ${(cause as Error).message}`, { cause });
  }
}

export function hasEnded({ state }: Pick<Job, "state">): boolean {
  return state !== "queued" && state !== "running";
}

function isoTime(milliseconds: number): string {
  return new Date(Math.floor(milliseconds)).toISOString();
}
