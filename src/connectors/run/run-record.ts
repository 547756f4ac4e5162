import { MnemosyncError, shortened } from "../../domain/errors.ts";
import { newUlid } from "../../runtime/ulid.ts";
import { NO_COUNTS, type RunCounts, type RunRecord } from "../state/state.ts";

/** Characters of a reason that records keep. */
export const REASON_LENGTH_MAX = 500;

/** Another process has the connector. */
export interface RunRefused {
  readonly running: RunRecord;
}

/** A run that begins now, before the place that it reads from is known. */
export function newRun(scope: RunRecord["scope"], startedAt: number): RunRecord {
  const nothing = { counts: NO_COUNTS, endedAt: null, cursorBefore: null, cursorAfter: null, error: null } as const;
  return { id: newUlid(), state: "running", scope, startedAt, ...nothing };
}

export function addedCounts(counts: RunCounts, more: Partial<RunCounts>): RunCounts {
  const sum = { ...counts };
  for (const [name, value] of Object.entries(more)) sum[name as keyof RunCounts] += value;
  return sum;
}

/** What a record keeps of an error that ended a run. */
export function errorOfRun(error: unknown): { code: string; message: string } {
  const code = error instanceof MnemosyncError ? error.code : "INTERNAL";
  return { code, message: shortened(error instanceof Error ? error.message : String(error), REASON_LENGTH_MAX) };
}
