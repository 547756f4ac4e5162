import { AbortedError, type MnemosyncError, StoreUnavailableError } from "../../../domain/errors.ts";
import { isTimeout } from "../../../runtime/deadline.ts";

/** The error that a caller gets when its signal fires. */
export function abortError(what: string, signal: AbortSignal): MnemosyncError {
  const cause = signal.reason;
  if (isTimeout(signal)) return new StoreUnavailableError("faiss", `no answer to ${what} in time`, { cause });
  return new AbortedError(`faiss ${what}`, { cause });
}
