import { onAbort, withListeners } from "./on-abort.ts";

const DUE: unique symbol = Symbol("due");

interface TimedSignal extends AbortSignal {
  /** When its time is up, by `performance.now()`. */
  [DUE]?: number;
}

/**
 * An AbortController that also fires with `parent` and after `timeoutMs`. Not `AbortSignal.any` with
 * `AbortSignal.timeout`: in Node 20 the garbage collector may free the time-out of a combined signal, which then never
 * fires (seen on 20.20.2). Call `release` when done: the controller holds a timer and a listener.
 */
export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #tellListeners = withListeners(this.#controller.signal);
  readonly #forget: (() => void) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #timedOut = false;

  constructor(parent?: AbortSignal, timeoutMs?: number) {
    if (parent?.aborted) this.abort(parent.reason);
    this.#forget = parent && onAbort(parent, () => this.abort(parent.reason));
    if (timeoutMs === undefined) return;
    (this.signal as TimedSignal)[DUE] = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => this.#timeOut(), timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the time-out fired it, and nothing else did before. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  abort(reason?: unknown): void {
    if (this.signal.aborted) return;
    this.#controller.abort(reason);
    this.#tellListeners();
  }

  /** Whether its timer keeps the process alive: yes after `ref`, as at first, no after `unref`. */
  ref(): void {
    this.#timer?.ref();
  }

  unref(): void {
    this.#timer?.unref();
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#forget?.();
  }

  #timeOut(): void {
    if (this.signal.aborted) return;
    this.#timedOut = true;
    this.abort(new DOMException("time is up", "TimeoutError"));
  }
}

/** Whether the time of `signal` is up within `milliseconds` anyway. */
export function isDueWithin(signal: AbortSignal, milliseconds: number): boolean {
  const due = (signal as TimedSignal)[DUE];
  return due !== undefined && due <= performance.now() + milliseconds;
}
