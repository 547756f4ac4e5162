/** How much of a quota is free. */
interface Bucket {
  tokens: number;
  at: number;
}

/** Senders whose use is remembered. Beyond it the one that was idle for longest begins anew, with a full bucket. */
const SENDERS_MAX = 10_000;
/** Seconds' worth that may come at once. */
const BURST_SECONDS = 10;

/**
 * Token buckets by sender, for amounts rather than single requests. A request that is larger than the whole bucket passes where
 * the bucket is full: otherwise it could never pass.
 */
export class Quota {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param now milliseconds on a clock that never goes back. */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Milliseconds until `amount` may pass; 0: now. Takes nothing. */
  waitMs(sender: string, amount: number): number {
    const { tokens } = this.#filled(sender);
    const needed = Math.min(amount, this.#perSecond * BURST_SECONDS);
    return tokens >= needed ? 0 : Math.ceil(((needed - tokens) / this.#perSecond) * 1_000);
  }

  take(sender: string, amount: number): void {
    const bucket = this.#filled(sender);
    this.#buckets.delete(sender);
    this.#buckets.set(sender, { tokens: bucket.tokens - amount, at: bucket.at });
    if (this.#buckets.size <= SENDERS_MAX) return;
    const quietest = this.#buckets.keys().next().value;
    if (quietest !== undefined) this.#buckets.delete(quietest);
  }

  #filled(sender: string): Bucket {
    const now = this.#now();
    const burst = this.#perSecond * BURST_SECONDS;
    const bucket = this.#buckets.get(sender) ?? { tokens: burst, at: now };
    return { tokens: Math.min(burst, bucket.tokens + ((now - bucket.at) / 1_000) * this.#perSecond), at: now };
  }
}
