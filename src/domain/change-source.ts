import type { MemoryKey } from "./keys.ts";
import type { MemoryChange } from "./memory.ts";

/**
 * A place in the ledger's change feed. Changes are ordered by the 64-bit id of their transaction, then by their
 * sequence number; only transactions below the oldest one still running are shown, so nothing can slip in behind it.
 */
export interface FeedCursor {
  /** Decimal; beyond 2^53 in principle. */
  readonly xid: string;
  readonly seq: string;
}

/** Before the first change. */
export const FEED_START: FeedCursor = { xid: "0", seq: "0" };

/** Whether `a` stands behind `b` in the feed. */
export function isLater(a: FeedCursor, b: FeedCursor): boolean {
  const [left, right] = [BigInt(a.xid), BigInt(b.xid)];
  return left > right || (left === right && BigInt(a.seq) > BigInt(b.seq));
}

/** A memory's current version, as the feed lists it: a memory stands in the feed once, at its latest change. */
export interface FeedHeader extends MemoryKey {
  readonly version: number;
  readonly deleted: boolean;
}

export interface FeedPage {
  readonly headers: readonly FeedHeader[];
  /** Behind the last header of the page; the cursor that was asked with when the page is empty. */
  readonly cursor: FeedCursor;
}

/** A reader's proof that it has read this ledger: all of it must be there, or the ledger went back. */
export interface SeenHistory {
  /** The epoch in which it was seen; another one now means that the ledger has noticed already. */
  readonly epoch: string;
  /** A place in the change feed. */
  readonly cursor?: FeedCursor;
  /** Marks of the ledger that were found elsewhere. */
  readonly marks?: readonly string[];
  /** A transaction that was committed in that epoch. */
  readonly transaction?: string;
}

/** What a projection that keeps its own files needs from the ledger to come up to date. */
export interface ChangeSource {
  /**
   * Names the history that cursors belong to. It changes when the database went back: a restore, a failover that lost
   * transactions, a dump into a new cluster.
   * @param seen what the caller has read of this ledger: where it is not there any more, a new epoch begins.
   */
  epoch(signal: AbortSignal, seen?: readonly SeenHistory[]): Promise<string>;
  /** A random mark, committed, to be kept beside what was read: it proves later that the ledger still has all of it. */
  mark?(signal: AbortSignal): Promise<string>;
  /** At most `limit` headers behind `cursor`. With fewer of them the reader is up to date as of this question. */
  changesAfter(cursor: FeedCursor, limit: number, signal: AbortSignal): Promise<FeedPage>;
  /** The current version of each memory, in order; null for one that the ledger does not know. */
  currentChanges(keys: readonly MemoryKey[], signal: AbortSignal): Promise<(MemoryChange | null)[]>;
}

/**
 * Whether endings were pruned that a reader was not told of: behind its place, and after it began to read at the start. What was
 * pruned by then it never had.
 */
export function hasMissed(
  { prunedAtStart }: { readonly prunedAtStart: FeedCursor | null },
  pruned: FeedCursor | null,
  cursor: FeedCursor,
): boolean {
  return pruned !== null && isLater(pruned, cursor) && isLater(pruned, prunedAtStart ?? FEED_START);
}
