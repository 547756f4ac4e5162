import { type CheckContext, storeIds } from "./check-context.ts";
import type { CheckRun } from "./check-run.ts";
import type { Comparer } from "./comparer.ts";
import { type CheckScope, type ConsistencyReport, storesByMemory } from "./report.ts";

/** @param checked memories of the ledger that were compared, by digest or one by one. */
export function buildReport(
  scope: CheckScope,
  context: CheckContext,
  run: CheckRun,
  comparer: Comparer,
  checked: number,
): ConsistencyReport {
  const { findings, truncated } = run.log;
  return {
    clean: findings.length === 0,
    scope,
    stores: storeIds(context),
    checked,
    findings,
    byMemory: storesByMemory(findings),
    truncated,
    misses: comparer.misses,
    startedAt: run.startedAt,
    resumed: run.resumed,
  };
}
