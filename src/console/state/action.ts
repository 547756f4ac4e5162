import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/api-error.ts";
import type { Api } from "../api/client.ts";
import { signedIn } from "./session.ts";

/** An order to the service. One at a time: a second press of the button while it is under way does nothing. */
export interface Action<Input extends readonly unknown[], T> {
  readonly isUnderWay: boolean;
  /** Why the last one failed; null: it did not. */
  readonly error: ApiError | null;
  /** @returns its answer; undefined where it failed, or another one is under way. */
  readonly run: (...input: Input) => Promise<T | undefined>;
  readonly clear: () => void;
}

/** An order outlives the component that gave it: it is not aborted, since nobody would know whether it was carried out. */
export function useAction<Input extends readonly unknown[], T>(
  act: (api: Api, ...input: Input) => Promise<T>,
): Action<Input, T> {
  const { api } = signedIn.value;
  const [state, setState] = useState<{ isUnderWay: boolean; error: ApiError | null }>({
    isUnderWay: false,
    error: null,
  });
  const busy = useRef(false);
  const shown = useRef(true);
  useEffect(() => {
    shown.current = true;
    return () => {
      shown.current = false;
    };
  }, []);
  const show = (next: typeof state) => {
    if (shown.current) setState(next);
  };

  async function run(...input: Input): Promise<T | undefined> {
    if (busy.current) return undefined;
    busy.current = true;
    show({ isUnderWay: true, error: null });
    try {
      const answer = await act(api, ...input);
      show({ isUnderWay: false, error: null });
      return answer;
    } catch (error) {
      if (!(error instanceof ApiError)) {
        show({ isUnderWay: false, error: null });
        throw error;
      }
      show({ isUnderWay: false, error });
      return undefined;
    } finally {
      busy.current = false;
    }
  }
  return { ...state, run, clear: () => setState({ isUnderWay: state.isUnderWay, error: null }) };
}
