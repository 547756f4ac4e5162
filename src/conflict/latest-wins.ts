import { newestFirst, precedenceReason } from "./precedence.ts";
import type { ConflictStrategy } from "./strategy.ts";

/**
 * The candidate that was modified last wins whole: by `modifiedAt`, then by version, then in the order postgres, redis,
 * faiss. One without a `modifiedAt` loses against one that has it, and a deletion counts like any other change.
 *
 * The times come from the stores: a store written by hand, or by a host whose clock runs ahead, wins by what it says.
 */
export const latestWins: ConflictStrategy = {
  name: "latest_wins",
  resolve({ candidates }) {
    const sorted = newestFirst(candidates);
    const [newest] = sorted;
    if (newest === undefined) return { action: "pending", note: "there is no candidate" };
    return { action: "choose", store: newest.store, note: precedenceReason(sorted) };
  },
};
