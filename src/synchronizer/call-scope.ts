import { AbortedError, ClosedError, MnemosyncError } from "../domain/errors.ts";
import { abortError, untilAborted } from "../runtime/deadline.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";
import type { CallOptions } from "./calls.ts";

/** The calls on one synchronizer: each gets its deadline, and none begins once the synchronizer closes. */
export class CallScope {
  readonly #timeoutMs: number;
  #closed = false;

  /** @param timeoutMs milliseconds of a call that names no deadline of its own. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Milliseconds that a call may take. */
  timeoutOf({ timeoutMs }: CallOptions): number {
    return timeoutMs ?? this.#timeoutMs;
  }

  /** Refuses calls from now on. Calls that run go on. */
  close(): void {
    this.#closed = true;
  }

  /** @throws {ClosedError} */
  assertOpen(): void {
    if (this.#closed) throw new ClosedError("the synchronizer");
  }

  /**
   * Runs a call within its deadline. The caller is answered in time even where the work goes on.
   * @param name of the method, for the message of the error.
   * @throws {ClosedError} {DeadlineExceededError} {AbortedError}
   */
  async run<T>(name: string, call: CallOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.assertOpen();
    const timeoutMs = this.timeoutOf(call);
    const beganAt = performance.now();
    let deadline: AbortSignal | undefined;
    try {
      return await withSharedDeadline(timeoutMs, call.signal, (signal) => {
        deadline = signal;
        return untilAborted(work(signal), signal);
      });
    } catch (error) {
      if (deadline?.aborted && (error === deadline.reason || !(error instanceof MnemosyncError))) {
        // The caller's own signal may have a deadline too, whose length only the clock tells.
        const isCallers = call.signal?.aborted === true && call.signal.reason === deadline.reason;
        throw abortError(name, deadline, isCallers ? Math.round(performance.now() - beganAt) : timeoutMs);
      }
      throw error;
    }
  }

  /** Runs long work, which has no deadline: only its caller's signal ends it. @throws {ClosedError} {AbortedError} */
  async runLong<T>(name: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    this.assertOpen();
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted && !(error instanceof MnemosyncError)) throw new AbortedError(name, { cause: signal.reason });
      throw error;
    }
  }
}
