import { untilAborted } from "../../runtime/deadline.ts";
import { LinkedAbort } from "../../runtime/linked-abort.ts";

export interface WaitingOptions {
  /** Milliseconds of one wait, at most. */
  readonly timeoutMs: number;
  /** Milliseconds of all waits together, at most. */
  readonly wholeTimeoutMs: number;
}

/** The waits for one answer: each has a time, and all together. Between two of them no time passes. */
export class Waiting {
  readonly #options: WaitingOptions;
  readonly #abort: LinkedAbort;
  #leftMs: number;
  #timeUp: string | null = null;

  constructor(options: WaitingOptions, parent: AbortSignal) {
    this.#options = options;
    this.#abort = new LinkedAbort(parent);
    this.#leftMs = options.wholeTimeoutMs;
  }

  /** Ends the request: once the caller gave up, a wait was too long, or the answer is done with. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Says which time is up; null while none is. */
  get timeUp(): string | null {
    return this.#timeUp;
  }

  /** @throws the reason of `signal`. */
  async until<T>(part: Promise<T>): Promise<T> {
    const { timeoutMs, wholeTimeoutMs } = this.#options;
    const isLast = this.#leftMs <= timeoutMs;
    const startedAt = performance.now();
    const timer = setTimeout(
      () => {
        this.#timeUp = isLast ? `no whole answer within ${wholeTimeoutMs} ms` : `nothing came within ${timeoutMs} ms`;
        this.#abort.abort(new Error(this.#timeUp));
      },
      Math.max(0, Math.min(timeoutMs, this.#leftMs)),
    );
    try {
      return await untilAborted(part, this.signal);
    } finally {
      clearTimeout(timer);
      this.#leftMs -= performance.now() - startedAt;
    }
  }

  /** Ends the request, if it still runs. No listener is left. */
  end(): void {
    this.#abort.abort(new Error("the answer is done with"));
    this.#abort.release();
  }
}
