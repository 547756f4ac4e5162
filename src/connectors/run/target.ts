import type { SourceItem } from "./source.ts";

/** What became of an item here. */
export type ItemOutcome =
  | { readonly outcome: "created" | "updated" | "unchanged" }
  /** Its id was erased here: it is not imported until somebody revives the id. */
  | { readonly outcome: "erased" }
  /** It cannot be stored, and a repetition changes nothing. */
  | { readonly outcome: "refused"; readonly code: string; readonly message: string };

/** Where the items of a source go: the memories of a hub, or of an edge's file. */
export interface Target {
  /**
   * Stores items, in order, at most 100. An item that is there in exactly this form is not written again.
   * @throws {MnemosyncError} Nothing can be stored now. Some of the items may have been: the same call may be made again.
   */
  write(items: readonly SourceItem[], signal: AbortSignal): Promise<ItemOutcome[]>;
  /** Deletes memories; history keeps them. Without effect for those that are not there. @throws {MnemosyncError} */
  delete(memoryIds: readonly string[], signal: AbortSignal): Promise<void>;
}
