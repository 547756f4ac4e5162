import type { StoreId } from "../../domain/store-id.ts";
import type { CheckerParts } from "./check-options.ts";
import type { CheckRun } from "./check-run.ts";
import type { Comparer } from "./comparer.ts";
import type { Pace } from "./pace.ts";
import { type CheckScope, type ConsistencyReport, storesByMemory } from "./report.ts";

/** What the parts of one check share. */
export interface CheckContext {
  readonly parts: CheckerParts;
  /** Under which its progress is kept. */
  readonly name: string;
  readonly stores: readonly StoreId[];
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

export function buildReport(
  scope: CheckScope,
  { stores }: CheckContext,
  run: CheckRun,
  comparer: Comparer,
  checked: number,
): ConsistencyReport {
  const { findings, truncated } = run.log;
  return {
    clean: findings.length === 0,
    scope,
    stores,
    checked,
    findings,
    byMemory: storesByMemory(findings),
    truncated,
    misses: comparer.misses,
    startedAt: run.startedAt,
    resumed: run.resumed,
  };
}
