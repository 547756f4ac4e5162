import type { StoreId } from "../domain/store-id.ts";
import { checkStoreOrder, SOURCE_ORDER, STORE_ORDER } from "./precedence.ts";
import type { ConflictStrategy } from "./strategy.ts";

/**
 * The store that comes first in `order` wins, whatever the versions and times say. Stores that are not listed come
 * after those that are, in the order postgres, redis, faiss. A store that does not know the memory has no say: an
 * orphan in Redis is adopted from there even where postgres is preferred.
 * @param order at least one store, none twice; the default prefers the ledger.
 * @param name under which it is logged and registered.
 * @throws {ConfigurationError} The order is empty, names something that is no store, or one twice.
 */
export function preferStore(order: readonly StoreId[] = STORE_ORDER, name = "prefer_store"): ConflictStrategy {
  checkStoreOrder(order);
  const precedence = [...order, ...SOURCE_ORDER.filter((source) => !order.some((store) => store === source))];
  return {
    name,
    resolve({ candidates }) {
      const store = precedence.find((preferred) => candidates.some((candidate) => candidate.store === preferred));
      if (store === undefined) return { action: "pending", note: "there is no candidate" };
      return { action: "choose", store, note: `preferred in the order ${precedence.join(", ")}` };
    },
  };
}
