import { FEED_START, type FeedCursor, isLater } from "../domain/change-source.ts";

/** Whether tombstones were pruned that the replica was not told of. What was pruned when it began at the start it never had. */
export function hasMissed(
  { prunedAtStart }: { readonly prunedAtStart: FeedCursor | null },
  pruned: FeedCursor | null,
  cursor: FeedCursor,
): boolean {
  return pruned !== null && isLater(pruned, cursor) && isLater(pruned, prunedAtStart ?? FEED_START);
}
