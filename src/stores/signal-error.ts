import { AbortedError, StoreUnavailableError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import { isTimeout } from "../runtime/deadline.ts";

/**
 * The error with which a store rejects a call that `signal` ended: the store is unavailable when the deadline passed, and
 * the call is aborted when its caller gave it up.
 */
export function signalError(store: StoreId, signal: AbortSignal): StoreUnavailableError | AbortedError {
  const options = { cause: signal.reason };
  return isTimeout(signal)
    ? new StoreUnavailableError(store, "no answer before the deadline", options)
    : new AbortedError(`a call to ${store}`, options);
}
