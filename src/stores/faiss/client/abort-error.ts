import { AbortedError, type MnemosyncError, StoreUnavailableError } from "../../../domain/errors.ts";
import { isTimeout } from "../../../runtime/deadline.ts";

/** What a caller is told whose signal fired. */
export function abortError(what: string, signal: AbortSignal): MnemosyncError {
  const cause = signal.reason;
  if (isTimeout(signal)) return new StoreUnavailableError("faiss", `no answer to ${what} in time`, { cause });
  return new AbortedError(`faiss ${what}`, { cause });
}
