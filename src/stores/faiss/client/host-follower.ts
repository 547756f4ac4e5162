import type { MemoryKey } from "../../../domain/keys.ts";
import type { StoreId } from "../../../domain/store-id.ts";
import type { Follower, headerFeed, VolatilePlace } from "../../../feed/follower.ts";

/** One host process as a consumer of the change feed. Its feed position is lost with the process. */
export interface HostFollower {
  readonly feed: Follower<HeaderPage>;
  /** The feed position up to which the process holds the ledger's changes. */
  readonly place: VolatilePlace;
}

export type HeaderPage = Awaited<ReturnType<ReturnType<typeof headerFeed>["read"]>>;

/** Records dead letters: memories that the index refuses permanently. */
export type RecordRefused = (
  store: StoreId,
  keys: readonly MemoryKey[],
  reason: string,
  signal: AbortSignal,
) => Promise<void>;
