import { onAbort } from "./on-abort.ts";

/**
 * An AbortController that also fires with `parent` and after `timeoutMs`. Not `AbortSignal.any` with
 * `AbortSignal.timeout`: Node 20 lets the garbage collector take the time-out away from under the combined signal, which
 * then never fires (seen on 20.20.2). `release` it when done: it holds a timer and a listener.
 */
export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #forget: (() => void) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onParent = () => this.#controller.abort(this.#parent?.reason);
  #timedOut = false;

  constructor(parent?: AbortSignal, timeoutMs?: number) {
    this.#parent = parent;
    if (parent?.aborted) this.#onParent();
    this.#forget = parent && onAbort(parent, this.#onParent);
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#timeOut(), timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the time-out fired it, and nothing else did before. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#forget?.();
  }

  #timeOut(): void {
    if (this.signal.aborted) return;
    this.#timedOut = true;
    this.#controller.abort(new DOMException("time is up", "TimeoutError"));
  }
}
