import { AbortedError, StoreUnavailableError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import { isTimeout } from "../runtime/deadline.ts";

/**
 * The error of a store call that `signal` ended: `StoreUnavailableError` after the deadline, `AbortedError` when the caller
 * aborted.
 */
export function signalError(store: StoreId, signal: AbortSignal): StoreUnavailableError | AbortedError {
  const options = { cause: signal.reason };
  return isTimeout(signal)
    ? new StoreUnavailableError(store, "no answer before the deadline", options)
    : new AbortedError(`a call to ${store}`, options);
}
