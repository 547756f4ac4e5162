import { NO_COUNTS, type RunRecord } from "../../src/connectors/state/state.ts";

/** A run that is under way, of whatever scope. */
export function runUnderWay(id: string, scope: RunRecord["scope"], fields: Partial<RunRecord> = {}): RunRecord {
  return {
    ...{ id, state: "running", scope, counts: NO_COUNTS, startedAt: 1_000, endedAt: null },
    ...{ cursorBefore: null, cursorAfter: null, error: null },
    ...fields,
  };
}
