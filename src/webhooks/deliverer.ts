import type { FeedSignal } from "../feed/feed-signal.ts";
import { backoffCeilingMs } from "../runtime/backoff.ts";
import type { Log } from "../runtime/log.ts";
import { Loop } from "../runtime/loop.ts";
import type { Service, ServiceStatus } from "../runtime/service.ts";
import type { Delivery } from "./delivery.ts";
import type { Sender } from "./sender.ts";
import type { SubscriptionStore } from "./subscription-store.ts";

export interface DelivererOptions {
  readonly store: Pick<SubscriptionStore, "due">;
  readonly delivery: Pick<Delivery, "turn">;
  readonly sender: Pick<Sender, "close">;
  readonly news: Pick<FeedSignal, "listen" | "subscribe">;
  readonly holder: string;
  /** Subscriptions at a time. */
  readonly concurrencyMax: number;
  /** Milliseconds that an attempt may be put off, at most. */
  readonly retryMaxMs: number;
  readonly log: Log;
  /** Milliseconds between two looks for work without a signal. */
  readonly pollIntervalMs: number;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** After a turn that failed for a reason of our own, such as a missing key. */
const OWN_FAILURE = { baseMs: 2_000, maxMs: 60_000 };

interface Memo {
  /** When the last turn ended. */
  readonly servedAt: number;
  /** Turns in a row that failed for a reason of our own, and until when the subscription is left alone. */
  readonly failures: number;
  readonly until: number;
}

/**
 * Gives turns to subscriptions with work, `concurrencyMax` at a time, the one first that has waited longest. One owner has a
 * quarter of the places at most: receivers that hang hold up their own owner, and no other.
 */
export class Deliverer implements Service {
  readonly name = "webhooks";
  readonly #options: DelivererOptions;
  readonly #loop: Loop;
  readonly #now: () => number;
  readonly #stopping = new AbortController();
  /** Turns under way, with their owners. */
  readonly #turns = new Map<string, { owner: string; done: Promise<void> }>();
  /** Of subscriptions that had work at the last look. */
  #memos = new Map<string, Memo>();
  #unsubscribe: (() => void) | null = null;
  #isCrowded = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#loop = new Loop({
      name: this.name,
      intervalMs: options.pollIntervalMs,
      log: options.log,
      pass: (signal) => this.runOnce(signal).then(() => false),
    });
  }

  start(): void {
    if (this.status().state !== "idle") return;
    this.#unsubscribe ??= this.#options.news.subscribe(() => this.wake());
    this.#loop.start();
  }

  /** Calls under way are broken off: another node, or the next start, makes them again. */
  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopping.abort();
    await this.#loop.stop();
    await Promise.all([...this.#turns.values()].map(({ done }) => done));
    await this.#options.sender.close();
  }

  status(): ServiceStatus {
    return this.#loop.status();
  }

  /** Looks for work at once, rather than after the interval. */
  wake(): void {
    this.#loop.wake();
  }

  /** Turns under way. */
  get running(): number {
    return this.#turns.size;
  }

  /** One look: begins turns as far as there are places, and does not wait for them. */
  async runOnce(signal: AbortSignal): Promise<void> {
    const { store, holder, concurrencyMax, retryMaxMs, news, log } = this.#options;
    await news.listen(signal).catch((error: Error) => {
      if (!signal.aborted) log.debug({ error: error.message }, "feed.not_listening"); // The interval is left.
    });
    const due = await store.due(holder, 2 * retryMaxMs, signal);
    const memos = this.#memos;
    this.#memos = new Map(due.flatMap(({ id }) => (memos.has(id) ? [[id, memos.get(id) as Memo]] : [])));
    const servedAt = (id: string): number => this.#memos.get(id)?.servedAt ?? Number.NEGATIVE_INFINITY;
    const now = this.#now();
    const ready = due.filter(({ id }) => !this.#turns.has(id) && (this.#memos.get(id)?.until ?? now) <= now);
    ready.sort((a, b) => servedAt(a.id) - servedAt(b.id) || (a.id < b.id ? -1 : 1));
    const ownerMax = Math.max(1, Math.ceil(concurrencyMax / 4));
    let waiting = 0;
    for (const { id, owner } of ready) {
      const own = [...this.#turns.values()].filter((turn) => turn.owner === owner).length;
      if (signal.aborted || this.#turns.size >= concurrencyMax || own >= ownerMax) waiting++;
      else this.#begin(id, owner);
    }
    this.#isCrowded = waiting > 0;
  }

  #begin(id: string, owner: string): void {
    const done = this.#turn(id).then((moved) => {
      this.#turns.delete(id);
      if (moved || this.#isCrowded) this.wake();
    });
    this.#turns.set(id, { owner, done });
  }

  async #turn(id: string): Promise<boolean> {
    const { delivery, log } = this.#options;
    const { signal } = this.#stopping;
    let failures = this.#memos.get(id)?.failures ?? 0;
    try {
      const moved = await delivery.turn(id, signal);
      this.#memos.set(id, { servedAt: this.#now(), failures: 0, until: 0 });
      return moved;
    } catch (error) {
      if (signal.aborted) return false;
      const waitMs = backoffCeilingMs(++failures, OWN_FAILURE);
      log.warn({ subscription: id, error: (error as Error).message, waitMs }, "webhook.turn_failed");
      this.#memos.set(id, { servedAt: this.#now(), failures, until: this.#now() + waitMs });
      return false;
    }
  }
}
