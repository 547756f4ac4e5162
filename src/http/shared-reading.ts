/** A reading and its age. */
export interface Aged<T> {
  readonly value: T;
  /** Milliseconds since the reading began. */
  readonly ageMs: number;
}

/** Milliseconds for which a reading counts as new. */
const FRESH_MS = 1_000;
/** Largest share of time that readings may take: slow readings are made less often. */
const SHARE_MAX = 1 / 20;
/** Longest time for which a reading counts as new, however slow readings are. */
const FRESH_MAX_MS = 15_000;
/** Milliseconds for which an older reading is still served while the next one is made. */
const STALE_MS = 5_000;

/**
 * Shares an expensive reading between concurrent callers: one reading runs at a time. Serves a cached reading while it
 * refreshes (stale-while-revalidate), so that a caller soon after the last reading does not wait.
 */
export class SharedReading<T> {
  readonly #read: () => Promise<T>;
  readonly #now: () => number;
  #last: { readonly value: T; readonly begunAt: number; readonly tookMs: number } | null = null;
  #underway: Promise<Aged<T>> | null = null;

  /** @param now milliseconds on a clock that never goes back. */
  constructor(read: () => Promise<T>, now: () => number = () => performance.now()) {
    this.#read = read;
    this.#now = now;
  }

  /** @throws the error of the reading, where there is no cached one to serve. */
  async get(): Promise<Aged<T>> {
    if (this.#last === null) return await this.#readOnce();
    const { value, begunAt, tookMs } = this.#last;
    const freshMs = Math.min(Math.max(FRESH_MS, tookMs / SHARE_MAX), FRESH_MAX_MS);
    const ageMs = this.#now() - begunAt;
    if (ageMs >= freshMs + STALE_MS) return await this.#readOnce();
    // A failure is reported to the callers that come after the cached reading has expired.
    if (ageMs >= freshMs) this.#readOnce().catch(() => undefined);
    return { value, ageMs };
  }

  #readOnce(): Promise<Aged<T>> {
    this.#underway ??= this.#readNow().finally(() => {
      this.#underway = null;
    });
    return this.#underway;
  }

  async #readNow(): Promise<Aged<T>> {
    const begunAt = this.#now();
    const value = await this.#read();
    const tookMs = this.#now() - begunAt;
    this.#last = { value, begunAt, tookMs };
    return { value, ageMs: tookMs };
  }
}
