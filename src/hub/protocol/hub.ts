import type { ChangesOptions, ChangesPage } from "./changes.ts";
import type { HubIdentity } from "./identity.ts";
import type { PushAnswers, PushChanges } from "./push.ts";

/**
 * The hub as an edge sees it. A transport is made for one device. Every transport passes `test/conformance/hub-contract.ts`.
 *
 * Every call throws `HubError`, and nothing else but the reason of its signal: `SYNC_CONNECTION` where no answer came or the
 * hub cannot serve now, which says nothing about whether a push was applied; any other code where the hub refused the call as
 * a whole.
 */
export interface Hub {
  /** What the hub takes, where it stands, and what this device's key may do. Registers the device. */
  identify(signal: AbortSignal): Promise<HubIdentity>;
  /**
   * Sends changes. One answer per change, in order. A change whose answer was lost is sent again as it was, under its key: it
   * is applied once. Changes of one memory are sent one after the other, each once the one before it is answered.
   */
  push(push: PushChanges, signal: AbortSignal): Promise<PushAnswers>;
  /**
   * The next changes behind a cursor, null: from the start. Asking says that everything before the cursor is durable here, or is being
   * applied: an edge that dies before it is comes back with an older cursor.
   * @throws {HubError} `RESYNC_REQUIRED`: the cursor leads nowhere any more.
   */
  changesAfter(cursor: string | null, options: ChangesOptions, signal: AbortSignal): Promise<ChangesPage>;
  /** Ends what the transport holds open. */
  close(): Promise<void>;
}
