import { setMaxListeners } from "node:events";

/** Listeners of a signal that `withListeners` made: an event target takes ten times as long to note and forget one. */
const OWN_LISTENERS: unique symbol = Symbol("listeners");

interface ListeningSignal extends AbortSignal {
  [OWN_LISTENERS]?: Set<() => void>;
}

/**
 * Calls `listener` once when `signal` fires; never if it has fired before. One caller's signal may end thousands
 * of calls, so Node's warning about many listeners is turned off for that signal.
 * @param listener noted once per signal, however often it is given. @returns removes the listener.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const own = (signal as ListeningSignal)[OWN_LISTENERS];
  if (own !== undefined) {
    own.add(listener);
    return () => void own.delete(listener);
  }
  setMaxListeners(0, signal);
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}

/** Makes `onAbort` cheap for a signal. @returns calls the listeners: the owner calls it once, after aborting the signal. */
export function withListeners(signal: AbortSignal): () => void {
  const own = new Set<() => void>();
  (signal as ListeningSignal)[OWN_LISTENERS] = own;
  return () => {
    const listeners = [...own];
    own.clear();
    for (const listener of listeners) listener();
  };
}
