import { MnemosyncError, shortened } from "../../domain/errors.ts";
import { newUlid } from "../../runtime/ulid.ts";
import { ServiceError } from "../service/service-error.ts";
import { NO_COUNTS, type RunCounts, type RunRecord } from "../state/state.ts";

/** Characters of a reason that records keep. */
export const REASON_LENGTH_MAX = 500;

/** The code of a run that ended because the service does not take the key: no further run can succeed until it is mended. */
export const AUTHENTICATION = "AUTHENTICATION";

/** Another process has the connector. */
export interface RunRefused {
  readonly running: RunRecord;
}

/** A run that begins now, before the place that it reads from is known. */
export function newRun(scope: RunRecord["scope"], startedAt: number, id = newUlid()): RunRecord {
  const nothing = { counts: NO_COUNTS, endedAt: null, cursorBefore: null, cursorAfter: null, error: null } as const;
  return { id, state: "running", scope, startedAt, ...nothing };
}

/** A run whose process was lost, as it goes on: it reads from its start again, so what it had read is counted anew. */
export function resumedRun(run: RunRecord): RunRecord {
  return { ...run, state: "running", endedAt: null, error: null, counts: { ...run.counts, read: 0, unchanged: 0 } };
}

export function addedCounts(counts: RunCounts, more: Partial<RunCounts>): RunCounts {
  const sum = { ...counts };
  for (const [name, value] of Object.entries(more)) sum[name as keyof RunCounts] += value;
  return sum;
}

/** What a record keeps of an error that ended a run. */
export function errorOfRun(error: unknown): { code: string; message: string } {
  const isRefused = error instanceof ServiceError && error.failure === "authentication";
  const code = isRefused ? AUTHENTICATION : error instanceof MnemosyncError ? error.code : "INTERNAL";
  return { code, message: shortened(error instanceof Error ? error.message : String(error), REASON_LENGTH_MAX) };
}
