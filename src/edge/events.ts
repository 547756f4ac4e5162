import type { FileNotice } from "./file/context.ts";
import type { Rescue } from "./file/rescue.ts";
import type { HubContact } from "./file/sync-state.ts";
import type { PullResult, PushResult } from "./sync/results.ts";

type NoticeOf<Kind extends FileNotice["kind"]> = Omit<Extract<FileNotice, { kind: Kind }>, "kind">;

/** What an edge tells its listeners. Listeners run one after the other, never within the call that caused an event. */
export interface EdgeEvents {
  /** A push was answered. */
  pushed: PushResult;
  /** A page was applied, or there was none. */
  pulled: PullResult;
  /** Both sides changed a memory. Both are kept; `resolution` says what counts now. */
  conflict: NoticeOf<"conflict">;
  /** The hub will not take a change as it is. It waits for a correcting edit, or for `retry`. */
  failed: NoticeOf<"failed">;
  /** A memory was erased at the hub, and every trace of it here. */
  erased: NoticeOf<"erased">;
  /** The hub went back, and an edit that it had acknowledged is sent again. */
  offeredAgain: NoticeOf<"offered_again">;
  /** The hub can be reached, or no longer. */
  contact: HubContact;
  /** The file was a copy of another one, and is a device of its own from now on. */
  renamed: { readonly device: string };
  /** The file was damaged: what could be read was saved. */
  rescued: Rescue;
}
