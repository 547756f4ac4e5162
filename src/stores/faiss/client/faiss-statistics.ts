import type { HostStatistics } from "../protocol/messages.ts";
import type { HostState } from "./host-client.ts";

/** Statistics of the index: those that this process keeps, and those of the host where the host answers. */
export interface FaissStatistics {
  readonly state: HostState;
  /** Host processes started after the first one. */
  readonly restarts: number;
  /** How the last process ended; null while the first one runs. */
  readonly lastFailure: string | null;
  /**
   * Milliseconds since the last read of the ledger's feed that reached its end. The index has every change that any node
   * committed before that read, except transactions that the feed hides behind an older open transaction.
   * Null while a host recovers.
   */
  readonly lagMs: number | null;
  /** Changes that are in no snapshot yet. */
  readonly unsavedChanges: number;
  /** Null unless `state` is `ready`. */
  readonly host: HostStatistics | null;
}
