import { AbortedError, DeadlineExceededError, MnemosyncError } from "../index.ts";
import { untilAborted } from "../runtime/deadline.ts";
import { LinkedAbort } from "../runtime/linked-abort.ts";
import { onAbort } from "../runtime/on-abort.ts";
import { Refusal } from "./failure.ts";

/** The calls of one connection: so many at a time, each with a deadline. */
export class CallSlots {
  readonly #callsMax: number;
  #running = 0;

  constructor(callsMax: number) {
    this.#callsMax = callsMax;
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Runs `work` with a signal that fires at the deadline, with `signal`, and with `hangUp`. The answer does not wait for work that goes on
   * behind its deadline. @throws {Refusal} As many calls run as may.
   */
  async run<Result>(
    name: string,
    timeoutMs: number,
    signals: { readonly signal: AbortSignal; readonly hangUp?: AbortSignal | undefined },
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    if (this.#running >= this.#callsMax) {
      const found = `${this.#running} calls of this connection are under way, and at most ${this.#callsMax} may be`;
      throw new Refusal("TOO_MANY_CALLS", found, { retryable: true });
    }
    this.#running++;
    const until = new LinkedAbort(signals.signal, timeoutMs);
    const { hangUp } = signals;
    const forget = hangUp && onAbort(hangUp, () => until.abort(hangUp.reason));
    if (hangUp?.aborted) until.abort(hangUp.reason);
    try {
      return await untilAborted(work(until.signal), until.signal);
    } catch (error) {
      if (until.timedOut) throw new DeadlineExceededError(name, timeoutMs, { cause: error });
      // The SDK aborts with whatever text the client gave, or with none: no defect of this side.
      const isGivenUp = error === until.signal.reason && !(error instanceof MnemosyncError);
      throw isGivenUp ? new AbortedError(name, { cause: error }) : error;
    } finally {
      forget?.();
      until.release();
      this.#running--;
    }
  }
}
