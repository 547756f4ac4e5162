import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../observability/log.ts";
import type { Projection } from "../projections/projection.ts";
import type { CheckScope } from "./report.ts";

export interface CheckerParts {
  readonly ledger: LedgerStore;
  readonly projections: readonly Projection[];
  readonly log: Log;
  /** Milliseconds from which an unpublished transaction or a queue row no longer excuses a difference. */
  readonly overdueMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface CheckOptions {
  /** @default "full" */
  readonly scope?: CheckScope;
  readonly signal?: AbortSignal;
  /** Called after each page of memories that were compared one by one. */
  readonly onProgress?: (progress: { checked: number; findings: number }) => void;
}
