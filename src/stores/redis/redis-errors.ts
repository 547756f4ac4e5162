import { MnemosyncError, StoreRefusedError, StoreUnavailableError } from "../../domain/errors.ts";
import { signalError } from "../signal-error.ts";

/** First words of replies that pass by themselves: starting, failing over, resharding, a long script. */
const TRANSIENT = ["LOADING", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "BUSY", "UNBLOCKED"];

/** First words of replies that need somebody: a full or read-only server, failing disk, missing rights. */
const REFUSED = ["OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM", "NOAUTH", "WRONGPASS"];

/** The error that callers see for a failure of the driver; one of our own passes through. */
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
  // A reply of the server's begins with a word in capitals. Anything else is the link: closed, reset, not writable.
  if ((error as Error | null)?.name === "ReplyError") return new StoreRefusedError("redis", message, { cause: error });
  return new StoreUnavailableError("redis", message, { cause: error });
}

/** The reply's first word. Errors raised inside a script may be wrapped: `ERR user_script:1: OOM command not allowed …`. */
function replyWord(message: string): string {
  const first = message.split(/[\s:]/, 1)[0] ?? "";
  if (first !== "ERR") return first;
  return [...REFUSED, ...TRANSIENT].find((word) => message.includes(` ${word} `)) ?? first;
}
