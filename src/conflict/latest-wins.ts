import { newestFirst, precedenceReason } from "./precedence.ts";
import type { ConflictStrategy } from "./strategy.ts";

/**
 * The candidate that was modified last wins whole: by `modifiedAt`, then by version, then by the conflict's `precedence`.
 * A candidate without a `modifiedAt` loses against one that has it. A deletion counts like any other change.
 *
 * The times come from the stores: a store that was written by hand, or by a host whose clock runs ahead, wins by its times.
 */
export const latestWins: ConflictStrategy = {
  name: "latest_wins",
  resolve(conflict) {
    const sorted = newestFirst(conflict);
    const [newest] = sorted;
    if (newest === undefined) return { action: "pending", note: "there is no candidate" };
    return { action: "choose", store: newest.store, note: precedenceReason(sorted) };
  },
};
