import type { MemoryFields } from "../../domain/memory-input.ts";
import type { TimeWindow } from "../time-window.ts";

/** An item of another service, as the memory that it becomes here. */
export interface SourceItem {
  /** Names the item at the service. */
  readonly id: string;
  /** Names the memory here. The same item always has the same one. */
  readonly memoryId: string;
  readonly fields: MemoryFields;
  /** What the item says, as one text: an item whose text is as at its last import is left alone. */
  readonly hash: string;
  /** Files of the item that `complete` fetches, by their kinds at the service. */
  readonly files?: readonly string[] | undefined;
}

/** An item with what belongs to it. */
export interface CompletedItem {
  readonly item: SourceItem;
  /** What could not be had, with the reason; null: it is whole. It is imported all the same, and looked at again. */
  readonly lost: string | null;
  /** Files that were fetched whole for it, and their bytes together. Left out: none. */
  readonly fetched?: { readonly media: number; readonly bytes: number } | undefined;
}

/** How a listing ended. */
export interface ListingOutcome {
  /** Whether it held every item of the window: only then does an item that is missing not exist. */
  readonly complete: boolean;
  /** Why it is not complete; null where it is. */
  readonly reason: string | null;
  /** Entries that the connector could not read. */
  readonly unreadable: number;
}

/** Another service, as a connector reads it. One folder per service has one of these. */
export interface Source {
  /** Proves that the service answers and takes the key. @throws {ServiceError} */
  ping(signal: AbortSignal): Promise<void>;
  /** Items of a span of time, each once or more often, in any order. @throws {ServiceError} Items before it are whole. */
  list(window: TimeWindow, signal: AbortSignal): AsyncGenerator<SourceItem, ListingOutcome>;
  /** Null: the service says that there is no such item. @throws {ServiceError} It says anything else. */
  get(id: string, signal: AbortSignal): Promise<SourceItem | null>;
  /**
   * Fetches what belongs to an item that is to be stored, e.g. its files. Several are under way at once.
   * @throws {ServiceError} The service cannot be used at all. @throws the reason of `signal`.
   */
  complete?(item: SourceItem, signal: AbortSignal): Promise<CompletedItem>;
}
