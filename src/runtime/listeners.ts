import type { Log } from "./log.ts";

/** Takes an event. What it throws, or rejects with, is logged. */
export type Listener<Payload> = (payload: Payload) => void | Promise<void>;

/** Events that wait for one listener, at most: beyond, the oldest are left out, and the log says how many. */
export const WAITING_MAX = 1_000;

interface Subscriber {
  readonly listener: Listener<never>;
  readonly waiting: unknown[];
  leftOut: number;
  isDelivering: boolean;
  hasEnded: boolean;
}

/**
 * Hands events to listeners, in order, one at a time for each listener, and never on the stack of the code that emits them:
 * a listener that throws, or takes its time, holds up neither that code nor another listener.
 */
export class Listeners<Events extends object> {
  readonly #log: Log;
  readonly #subscribers = new Map<keyof Events, Set<Subscriber>>();
  #isClosed = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** The same function may be added twice, and is then called twice. @returns takes it away: it is not called afterwards. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const subscriber: Subscriber = { listener, waiting: [], leftOut: 0, isDelivering: false, hasEnded: false };
    const subscribers = this.#subscribers.get(name) ?? new Set();
    this.#subscribers.set(name, subscribers.add(subscriber));
    return () => {
      subscribers.delete(subscriber);
      end(subscriber);
    };
  }

  /** Whether a listener waits for such events: what costs something need not be made otherwise. */
  has(name: keyof Events): boolean {
    return (this.#subscribers.get(name)?.size ?? 0) > 0;
  }

  /** Returns at once, and never throws. */
  emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    if (this.#isClosed) return;
    for (const subscriber of this.#subscribers.get(name) ?? []) {
      if (subscriber.waiting.push(payload) > WAITING_MAX) {
        subscriber.waiting.shift();
        subscriber.leftOut++;
      }
      if (subscriber.isDelivering) continue;
      subscriber.isDelivering = true;
      setImmediate(() => void this.#deliver(String(name), subscriber));
    }
  }

  /** No listener is called afterwards. */
  close(): void {
    this.#isClosed = true;
    for (const subscribers of this.#subscribers.values()) for (const subscriber of subscribers) end(subscriber);
    this.#subscribers.clear();
  }

  async #deliver(name: string, subscriber: Subscriber): Promise<void> {
    while (subscriber.waiting.length > 0 && !subscriber.hasEnded) {
      if (subscriber.leftOut > 0) {
        this.#log.warn({ name, events: subscriber.leftOut }, "listener.fell_behind");
        subscriber.leftOut = 0;
      }
      try {
        await subscriber.listener(subscriber.waiting.shift() as never);
      } catch (error) {
        this.#log.error({ name, error: (error as Error | null)?.message ?? String(error) }, "listener.failed");
      }
    }
    subscriber.isDelivering = false;
  }
}

function end(subscriber: Subscriber): void {
  subscriber.hasEnded = true;
  subscriber.waiting.length = 0;
}
