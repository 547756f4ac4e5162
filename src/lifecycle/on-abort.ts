import { setMaxListeners } from "node:events";

/**
 * Calls `listener` once when `signal` fires. One signal of a caller may end thousands of calls, so Node's warning about
 * many listeners is turned off for it. @returns takes the listener away again.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  setMaxListeners(0, signal);
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}
