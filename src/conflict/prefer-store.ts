import type { StoreId } from "../domain/store-id.ts";
import { checkStoreOrder } from "./precedence.ts";
import type { ConflictStrategy } from "./strategy.ts";

/**
 * The store that comes first in `order` wins, whatever the versions and times say. Stores that are not listed come after
 * those that are, by the conflict's `precedence`. A store that does not know the memory is no candidate: an orphan is
 * adopted from the store that holds it even where the ledger is preferred.
 * @param order at least one store, none twice; by default the conflict's `precedence`, which begins with the ledger.
 * @param name under which it is logged and registered.
 * @throws {ConfigurationError} The order is empty, holds something that is no store id, or one twice.
 */
export function preferStore(order?: readonly StoreId[], name = "prefer_store"): ConflictStrategy {
  if (order !== undefined) checkStoreOrder(order);
  const preferred = [...(order ?? [])];
  return {
    name,
    resolve({ candidates, precedence }) {
      const sources = [...new Set([...preferred, ...precedence, ...candidates.map(({ store }) => store)])];
      const store = sources.find((source) => candidates.some((candidate) => candidate.store === source));
      if (store === undefined) return { action: "pending", note: "there is no candidate" };
      return { action: "choose", store, note: `preferred in the order ${sources.join(", ")}` };
    },
  };
}
