import { MnemosyncError, StoreRefusedError, StoreUnavailableError } from "../../domain/errors.ts";
import { signalError } from "../signal-error.ts";

/** Error codes of transient conditions: starting, failing over, resharding, a long script. */
const TRANSIENT = ["LOADING", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "BUSY", "UNBLOCKED"];

/** Error codes that an operator must resolve: a full or read-only server, a failing disk, missing permissions. */
const REFUSED = ["OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM", "NOAUTH", "WRONGPASS"];

/** Maps a driver failure to the error for callers; errors of this program pass unchanged. */
export function redisError(error: unknown, signal?: AbortSignal): MnemosyncError {
  if (error instanceof MnemosyncError) return error;
  if (signal?.aborted && error === signal.reason) {
    return signalError("redis", signal);
  }
  const message = error instanceof Error ? error.message : String(error);
  const word = replyWord(message);
  if (TRANSIENT.includes(word)) return new StoreUnavailableError("redis", message, { cause: error });
  if (REFUSED.includes(word)) return new StoreRefusedError("redis", message, { cause: error });
  if (message.startsWith("Stream isn't writeable")) {
    return new StoreUnavailableError("redis", "not connected (the client keeps trying)", { cause: error });
  }
  // An error reply of the server begins with an upper-case code. Any other error is a connection error.
  if ((error as Error | null)?.name === "ReplyError") return new StoreRefusedError("redis", message, { cause: error });
  return new StoreUnavailableError("redis", message, { cause: error });
}

/** The error code of a reply. Errors inside a script may be wrapped: `ERR user_script:1: OOM command not allowed …`. */
function replyWord(message: string): string {
  const first = message.split(/[\s:]/, 1)[0] ?? "";
  if (first !== "ERR") return first;
  return [...REFUSED, ...TRANSIENT].find((word) => message.includes(` ${word} `)) ?? first;
}
