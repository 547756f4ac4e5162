import type { MnemosyncError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { StoreId } from "../domain/store-id.ts";

/**
 * How far a store is with the version that an outcome names: it has it (or a newer one), will be brought up to date by
 * the backlog, was at it before, has no use for it (no embedding), or refused it.
 */
export type StoreOutcome = "applied" | "pending" | "unchanged" | "not_applicable" | "failed";

export const SYNC_STATUSES = ["synced", "degraded", "unchanged", "conflict", "failed"] as const;

/**
 * - `synced`: committed, and every store has it.
 * - `degraded`: committed and durable; a store named in `stores` is behind, and the backlog will publish to it.
 * - `unchanged`: the ledger holds exactly this already; nothing was written.
 * - `conflict`: the memory is not at the expected version; nothing was written.
 * - `failed`: nothing was written; `error` says why (with COMMIT_OUTCOME_UNKNOWN: it may have been).
 */
export type SyncStatus = (typeof SYNC_STATUSES)[number];

/** The outcome of a write for one memory. It never claims more than was done. */
export interface SyncOutcome extends MemoryKey {
  /** The version that the ledger holds now; 0 when it holds none, or the write failed. */
  readonly version: number;
  /** Null for a deleted memory, and when the write failed. */
  readonly checksum: string | null;
  readonly status: SyncStatus;
  /** By store id, `postgres` among them. */
  readonly stores: Readonly<Record<StoreId, StoreOutcome>>;
  /** ULID of the transaction that wrote it; null when nothing was written. */
  readonly transactionId: string | null;
  /** Why a store reads `pending`, by store id; absent where none does. */
  readonly reasons?: Readonly<Record<StoreId, string>>;
  /**
   * The memory had an embedding, and this write brought none: no search finds it any more. Vector indexes read
   * `not_applicable`. Absent otherwise.
   */
  readonly embeddingDropped?: true;
  /** An earlier transaction applied the same change of a device: `version` is that of then. Absent otherwise. */
  readonly repeats?: true;
  readonly error?: MnemosyncError;
}
