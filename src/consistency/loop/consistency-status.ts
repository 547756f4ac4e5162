import type { StoreId } from "../../domain/store-id.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { CheckState } from "../../ledger/progress-statements.ts";
import { parseWalkPosition } from "../check/position.ts";
import { ledgerCoverage, sweepCoverage } from "../check/sweep.ts";

/** The state of one kind of check on one node. Times are ISO-8601. */
export interface CheckStatus {
  /** `quick`, `full`, `deep` or `sweep`; with the stores behind a colon where it compares only some. */
  readonly scope: string;
  readonly nodeId: string;
  readonly startedAt: string;
  /** Null while it runs, or when it was interrupted. */
  readonly finishedAt: string | null;
  readonly lastCleanAt: string | null;
  /** Memories that an ended check compared, by digest or one by one, as its report says; of a running check: one by one so far. */
  readonly checked: number;
  readonly findings: number;
  /** The share that is done, 0 to 1; null for `quick`, whose end is not known beforehand. */
  readonly coverage: number | null;
  /** Milliseconds until its end, at the rate so far; null when it has ended, or no rate is known. */
  readonly remainingMs: number | null;
}

export interface ConsistencyStatus {
  readonly checks: readonly CheckStatus[];
  /** Open findings, by store and kind. */
  readonly findings: readonly { readonly store: StoreId; readonly kind: string; readonly count: number }[];
}

export async function readConsistencyStatus(
  records: Pick<CheckRecords, "checkStates" | "countFindings">,
  projections: readonly StoreId[],
  signal: AbortSignal,
): Promise<ConsistencyStatus> {
  const [states, findings] = await Promise.all([records.checkStates(signal), records.countFindings(signal)]);
  return { checks: states.map((state) => checkStatus(state, projections)), findings };
}

function checkStatus(state: CheckState, projections: readonly StoreId[]): CheckStatus {
  const coverage = coverageOf(state, projections);
  // A sweep's time includes its pauses, so the estimate is of wall-clock time, as for the other checks.
  const elapsedMs = Date.now() - state.startedAt;
  const open = state.finishedAt === null && coverage !== null && coverage > 0;
  return {
    scope: state.scope,
    nodeId: state.nodeId,
    startedAt: iso(state.startedAt),
    finishedAt: state.finishedAt === null ? null : iso(state.finishedAt),
    lastCleanAt: state.lastCleanAt === null ? null : iso(state.lastCleanAt),
    checked: state.checked,
    findings: state.findings,
    coverage,
    remainingMs: open ? Math.max(0, Math.round((elapsedMs * (1 - coverage)) / coverage)) : null,
  };
}

function coverageOf({ scope, position, finishedAt }: CheckState, projections: readonly StoreId[]): number | null {
  const kind = scope.split(":")[0];
  if (kind === "quick") return null;
  if (finishedAt !== null) return 1;
  const walk = parseWalkPosition(position, null);
  if (walk === null) return 0;
  return kind === "sweep" ? sweepCoverage(walk, projections) : ledgerCoverage(walk);
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
