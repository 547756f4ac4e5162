import { withDeadline } from "../../runtime/deadline.ts";
import { loadStores, type StoreContext } from "../../stores/load-stores.ts";
import type { Projection } from "../../stores/projection.ts";
import type { StoreModule } from "../../stores/settings.ts";
import { describeError } from "../exit.ts";
import { type Diagnosis, failure, ok, warning } from "./diagnosis.ts";

/**
 * Whether the module of a store loads, and how the store is. Closes the store again.
 * @param healthMs milliseconds that the store has to answer.
 */
export async function diagnoseStore(entry: StoreModule, context: StoreContext, healthMs: number): Promise<Diagnosis[]> {
  const module = `stores.${entry.module}`;
  let store: Projection | undefined;
  try {
    [store] = await loadStores([entry], context);
  } catch (error) {
    return [failure(module, describeError(error).message, "correct the setting stores (mnemosync config shows it)")];
  }
  if (store === undefined) return [];
  try {
    const { state, reason } = await withDeadline(healthMs, context.signal, (signal) =>
      (store as Projection).health(signal),
    );
    const loaded = ok(module, `loads as store ${store.id}`);
    const check = `${store.id}.health`;
    if (state === "healthy") return [loaded, ok(check, state)];
    const found = reason === undefined ? state : `${state}: ${reason}`;
    const advice = "see the documentation of the store; mnemosync status shows its state";
    return [loaded, state === "degraded" ? warning(check, found, advice) : failure(check, found, advice)];
  } catch (error) {
    return [failure(`${store.id}.health`, describeError(error).message, "the store must answer health() in time")];
  } finally {
    await store.close?.();
  }
}
