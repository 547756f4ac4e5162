import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/api-error.ts";
import type { StreamEvent } from "../api/event-stream.ts";
import { signedIn } from "./session.ts";

/** Milliseconds before a stream that broke off is opened again: doubled with each failure in a row. */
const FIRST_PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 30_000;
/** Another attempt would be refused in the same way. */
const FINAL_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 404, 422]);

/**
 * - `closed`: nothing is followed, or the stream has come to its end.
 * - `opening`: before the first event, and after a break.
 * - `live`: events come.
 * - `refused`: the service will not give this stream.
 */
export type StreamState = "closed" | "opening" | "live" | "refused";

/**
 * Follows server-sent events, and opens the stream again when it breaks off.
 * @param path null: nothing is followed. @param onEvent true: it was the last one that is wanted.
 */
export function useEvents(path: string | null, onEvent: (event: StreamEvent) => boolean | undefined): StreamState {
  const { api } = signedIn.value;
  const latest = useRef(onEvent);
  latest.current = onEvent;
  const [state, setState] = useState<StreamState>("closed");
  useEffect(() => {
    if (path === null) {
      setState("closed");
      return;
    }
    const ending = new AbortController();
    const follow = async (followed: string) => {
      for (let pauseMs = FIRST_PAUSE_MS; !ending.signal.aborted; ) {
        setState("opening");
        try {
          for await (const event of api.events(followed, { signal: ending.signal })) {
            if (ending.signal.aborted) return;
            if (event.event === "closed") break;
            pauseMs = FIRST_PAUSE_MS;
            setState("live");
            if (latest.current(event) === true) return setState("closed");
          }
        } catch (error) {
          if (ending.signal.aborted) return;
          if (!(error instanceof ApiError)) throw error;
          if (FINAL_STATUSES.has(error.status)) return setState("refused");
        }
        if (ending.signal.aborted) return;
        setState("opening");
        await pause(pauseMs, ending.signal);
        pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS);
      }
    };
    void follow(path);
    return () => ending.abort();
  }, [api, path]);
  return state;
}

/** Returns early when the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
