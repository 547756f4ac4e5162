import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/api-error.ts";
import type { Api } from "../api/client.ts";
import { signedIn } from "./session.ts";

/** What is read from the service. While it is read anew, the value before stays. */
export interface Resource<T> {
  readonly value: T | undefined;
  /** Why the last reading failed; null: it did not. */
  readonly error: ApiError | null;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

export interface ResourceOptions {
  /** Milliseconds from the end of one reading to the next; absent: it is read once. No reading is made while the page is hidden. */
  readonly everyMs?: number | undefined;
  /** False: nothing is read. @default true */
  readonly enabled?: boolean | undefined;
}

interface Held<T> {
  readonly inputs: string;
  readonly value: T | undefined;
  readonly error: ApiError | null;
  readonly isLoading: boolean;
}

/**
 * Reads something from the service, and reads it again when an input changes; a reading that is under way is aborted then.
 * @param inputs what `read` depends on.
 */
export function useResource<T>(
  read: (api: Api, signal: AbortSignal) => Promise<T>,
  inputs: readonly (string | number | boolean | null | undefined)[],
  { everyMs, enabled = true }: ResourceOptions = {},
): Resource<T> {
  const { api } = signedIn.value;
  const latest = useRef(read);
  latest.current = read;
  const [round, setRound] = useState(0);
  const named = JSON.stringify(inputs);
  const [held, setHeld] = useState<Held<T>>({ inputs: named, value: undefined, error: null, isLoading: enabled });

  useEffect(() => {
    if (!enabled) return;
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    // What a reader or an order asked for is read in any case.
    const once = async (isAsked: boolean) => {
      if (everyMs !== undefined && document.hidden && !isAsked) return plan();
      setHeld((before) => ({
        inputs: named,
        value: before.inputs === named ? before.value : undefined,
        error: before.inputs === named ? before.error : null,
        isLoading: true,
      }));
      try {
        const value = await latest.current(api, ending.signal);
        if (ending.signal.aborted) return;
        setHeld({ inputs: named, value, error: null, isLoading: false });
      } catch (error) {
        if (ending.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        setHeld((before) => ({ ...before, error, isLoading: false }));
      }
      plan();
    };
    const plan = () => {
      if (everyMs !== undefined && !ending.signal.aborted) timer = setTimeout(() => void once(false), everyMs);
    };
    void once(round > 0);
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [api, named, round, enabled, everyMs]);

  const reload = useCallback(() => setRound((before) => before + 1), []);
  const isOwn = held.inputs === named;
  return {
    value: isOwn ? held.value : undefined,
    error: isOwn ? held.error : null,
    isLoading: enabled && (!isOwn || held.isLoading),
    reload,
  };
}
