import type { IndexShape } from "../../domain/schema.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Log } from "../../runtime/log.ts";
import type { Projection } from "../../stores/projection.ts";
import type { Pace } from "./pace.ts";
import type { CheckScope, ConsistencyReport } from "./report.ts";

export interface CheckerParts {
  readonly ledger: LedgerStore;
  readonly records: CheckRecords;
  readonly projections: readonly Projection[];
  /** What the vector index takes; absent parts are not checked. */
  readonly indexShape: IndexShape;
  readonly log: Log;
  /** Milliseconds from which an unpublished transaction or a queue row no longer excuses a difference. */
  readonly overdueMs: number;
  /** Keeps checks from being in anybody's way. @param memoriesPerSecondMax null: as fast as it goes */
  readonly pace: (memoriesPerSecondMax: number | null) => Pace;
  /** Told of every check that ended, and how many milliseconds it took. */
  readonly onChecked?: ((report: ConsistencyReport, elapsedMs: number) => void) | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface CheckProgress {
  /** Memories that were compared one by one. */
  readonly checked: number;
  readonly findings: number;
}

export interface CheckOptions {
  /** @default "full" */
  readonly scope?: CheckScope;
  /** Which copies are compared with the ledger; `postgres` has `deep` look at the ledger's own data. @default all */
  readonly stores?: readonly StoreId[];
  /**
   * Whether a check of the same kind that was cut short on this node (killed, or its ledger lost) is gone on with, when
   * it showed its last sign of life within the hour. One that was aborted by its caller has ended.
   * @default true
   */
  readonly resume?: boolean;
  /** At least 1. @default unlimited */
  readonly memoriesPerSecondMax?: number;
  readonly signal?: AbortSignal;
  /** Called after each page of memories that were compared one by one. */
  readonly onProgress?: (progress: CheckProgress) => void;
}
