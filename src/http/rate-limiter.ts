/**
 * A token bucket per sender: `burst` requests at once, `perSecond` in the long run. `@fastify/rate-limit` (11.2) counts in
 * fixed windows, which lets twice the limit pass around the end of a window, and runs as a hook of the framework, where
 * the guard charges failed keys to their address and accepted ones to their owner.
 */
export class RateLimiter {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /** @param now milliseconds on a clock that never goes back. */
  constructor(perSecond: number, burst: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
  }

  /** Counts one request of `sender`. @returns 0: it may pass; otherwise the milliseconds until one may. */
  take(sender: string): number {
    const now = this.#now();
    const bucket = this.#buckets.get(sender) ?? { tokens: this.#burst, at: now };
    const tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.at) / 1_000) * this.#perSecond);
    // Deleted and set again, so that the first entry of the map is the sender that was idle for longest.
    this.#buckets.delete(sender);
    this.#buckets.set(sender, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > SENDERS_MAX) {
      const quietest = this.#buckets.keys().next().value;
      if (quietest !== undefined) this.#buckets.delete(quietest);
    }
    return tokens >= 1 ? 0 : ((1 - tokens) / this.#perSecond) * 1_000;
  }
}

/** Buckets that are kept. Beyond it the sender that was idle for longest gets a new, full bucket. */
const SENDERS_MAX = 10_000;
