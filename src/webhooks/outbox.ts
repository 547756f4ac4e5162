import type { Log } from "../runtime/log.ts";
import { Loop } from "../runtime/loop.ts";
import type { Service, ServiceStatus } from "../runtime/service.ts";
import { newMessageId, serviceBody } from "./message.ts";
import type { SubscriptionStore } from "./subscription-store.ts";
import type { ServiceTopic } from "./topics.ts";

export interface OutboxOptions {
  readonly store: Pick<SubscriptionStore, "enqueue">;
  readonly nodeId: string;
  /** Called when subscriptions got events. */
  readonly onQueued: () => void;
  readonly log: Log;
  /** Milliseconds between two writes of events to the ledger. @default 1_000 */
  readonly intervalMs?: number;
  /** Milliseconds between two events of one key: what happens again meanwhile is counted. @default 60_000 */
  readonly repeatMs?: number;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** Keys of events that wait or are held back, at most. */
const KEYS_MAX = 1_000;
/** Events that wait for one receiver, at most. */
export const PENDING_MAX = 1_000;
const LAST_WRITE_MS = 2_000;

interface Waiting {
  readonly topic: ServiceTopic;
  data: object;
  at: number;
  times: number;
}

/**
 * Takes over what this node has to tell subscriptions to the service's topics. The caller goes on at once: events are written to
 * the ledger by a loop, and from then on they are delivered at least once. The same thing that happens again and again, a
 * write without a store for one, makes an event a minute, with how often it happened: an outage must not cost a row per write.
 */
export class Outbox implements Service {
  readonly name = "webhook-events";
  readonly #options: OutboxOptions;
  readonly #loop: Loop;
  readonly #now: () => number;
  readonly #waiting = new Map<string, Waiting>();
  /** When the last event of a key was written. */
  readonly #writtenAt = new Map<string, number>();
  #lost = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#loop = new Loop({
      name: this.name,
      intervalMs: options.intervalMs ?? 1_000,
      log: options.log,
      pass: (signal) => this.runOnce(signal).then(() => false),
    });
  }

  /**
   * Returns at once, and never throws. Without effect unless the service runs: a command's process ends too soon.
   * @param key of what happened: two events of one key are one, with the data of the later one.
   */
  tell(topic: ServiceTopic, key: string, data: object): void {
    if (this.#loop.status().state !== "running") return;
    const named = `${topic}/${key}`;
    const before = this.#waiting.get(named);
    if (before === undefined && this.#waiting.size >= KEYS_MAX) {
      this.#lost++;
      return;
    }
    this.#waiting.set(named, { topic, data, at: Date.now(), times: (before?.times ?? 0) + 1 });
  }

  start(): void {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    const wasRunning = this.#loop.status().state === "running";
    await this.#loop.stop();
    if (!wasRunning || this.#waiting.size === 0) return;
    this.#writtenAt.clear();
    await this.runOnce(AbortSignal.timeout(LAST_WRITE_MS)).catch((error: Error) => {
      this.#options.log.warn({ events: this.#waiting.size, error: error.message }, "webhook.events_not_kept");
    });
  }

  status(): ServiceStatus {
    return this.#loop.status();
  }

  /** Writes what is due. @returns how many events. */
  async runOnce(signal: AbortSignal): Promise<number> {
    const { store, nodeId, onQueued, repeatMs = 60_000, log } = this.#options;
    if (this.#lost > 0) log.warn({ events: this.#lost }, "webhook.events_not_kept");
    this.#lost = 0;
    const now = this.#now();
    for (const [key, at] of this.#writtenAt) if (now - at >= repeatMs) this.#writtenAt.delete(key);
    let written = 0;
    let queued = 0;
    for (const [key, event] of [...this.#waiting]) {
      if (this.#writtenAt.has(key)) continue;
      const { topic, data, at, times } = event;
      const body = serviceBody(topic, { nodeId, times, ...data }, at);
      queued += await store.enqueue({ id: newMessageId(), topic, payload: body }, PENDING_MAX, signal);
      if (this.#waiting.get(key) === event) this.#waiting.delete(key);
      else (this.#waiting.get(key) as Waiting).times -= times;
      if (this.#writtenAt.size < KEYS_MAX) this.#writtenAt.set(key, now);
      written++;
    }
    if (queued > 0) onQueued();
    return written;
  }
}
