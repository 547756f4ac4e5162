import type { MemoryKey } from "../../domain/keys.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Log } from "../../runtime/log.ts";
import type { Projection } from "../../stores/projection.ts";
import type { StoreStandings } from "../../write/store-standings.ts";
import type { Pace } from "./pace.ts";
import type { CheckScope, ConsistencyReport } from "./report.ts";

export interface CheckerParts {
  readonly ledger: LedgerStore;
  readonly records: CheckRecords;
  /** In the order of registration. */
  readonly projections: readonly Projection[];
  /** Shared stores that are registered and not filled yet: checks skip them. @default none */
  readonly unfilled?: ((signal: AbortSignal) => Promise<ReadonlySet<StoreId>>) | undefined;
  /** Tracks shared stores that may have gone back. A clean full check confirms a store. @default no store can tell */
  readonly standings?: Pick<StoreStandings, "standingOf" | "confirm">;
  readonly log: Log;
  /** Age in milliseconds at which an unpublished transaction or a queue row no longer excuses a difference. */
  readonly overdueMs: number;
  /** Makes checks yield to other work. @param memoriesPerSecondMax null: no limit */
  readonly pace: (memoriesPerSecondMax: number | null) => Pace;
  /** Called after every ended check, with its duration in milliseconds. */
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
  readonly scope?: CheckScope | undefined;
  /** The copies to compare with the ledger; with `postgres`, `deep` verifies the ledger's own data too. @default all */
  readonly stores?: readonly StoreId[] | undefined;
  /**
   * Whether to resume a check of the same kind that was interrupted on this node (killed, or its ledger lost), provided
   * that its last checkpoint is at most an hour old. A check that its caller aborted has ended, and is not resumed.
   * @default true
   */
  readonly resume?: boolean | undefined;
  /** At least 1. @default unlimited */
  readonly memoriesPerSecondMax?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called at the end of a full or deep check for each store that holds versions which the ledger does not know, of memories
   * that are being written or published: no findings yet, and no proof of the store either.
   * @internal
   */
  readonly onUnproven?: ((store: StoreId, keys: readonly MemoryKey[]) => void) | undefined;
  /** Called after each page of memories that were compared one by one. */
  readonly onProgress?: ((progress: CheckProgress) => void) | undefined;
}
