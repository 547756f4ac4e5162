import type { Filter } from "../domain/filter/filter.ts";

/**
 * What to erase: one memory by its id, or all that pass a filter (of `list` and `count`). A filter that names ids and nothing else
 * covers these memories as if each were named by itself: deleted ones, and unknown ones, too.
 */
export type EraseTarget = string | { readonly where: Filter };

/** Who asked for an erasure, and why. Both are kept in the receipt for good: name nothing in them that must go. */
export interface EraseNotes {
  /** Up to 256 characters. @default none */
  actor?: string | undefined;
  /** Up to 1,000 characters. @default none */
  reason?: string | undefined;
}

/** What an erasure would cover. */
export interface ErasePreview {
  readonly kind: "memory" | "namespace" | "filter";
  readonly namespace: string;
  /** Memories whose content would go, with their history. Those that are erased already do not count. */
  readonly memories: number;
  /** The first of their ids, in order: up to 100. */
  readonly memoryIds: readonly string[];
}

export const ACTOR_LENGTH_MAX = 256;
export const REASON_LENGTH_MAX = 1_000;
/** Receipts of one page. */
export const ERASURES_PAGE_MAX = 1_000;
