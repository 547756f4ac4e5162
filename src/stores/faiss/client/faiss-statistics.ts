import type { HostStatistics } from "../protocol/messages.ts";
import type { HostState } from "./host-client.ts";

/** What is known of the index without asking it, and what it answered where it could be asked. */
export interface FaissStatistics {
  readonly state: HostState;
  /** Host processes started after the first one. */
  readonly restarts: number;
  /** How the last process ended; null while the first one runs. */
  readonly lastFailure: string | null;
  /**
   * Milliseconds since the last look at the ledger's feed that found its end: everything that was committed before that,
   * by whatever node, is in the index (but for transactions that are hidden behind an older one that is still open).
   * Null while a host is filled.
   */
  readonly lagMs: number | null;
  /** Changes that are in no snapshot yet. */
  readonly unsavedChanges: number;
  /** Null unless `state` is `ready`. */
  readonly host: HostStatistics | null;
}
