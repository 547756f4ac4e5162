/** A reading and how old it is. */
export interface Aged<T> {
  readonly value: T;
  /** Milliseconds since it was begun. */
  readonly ageMs: number;
}

/** Milliseconds for which a reading counts as new. */
const FRESH_MS = 1_000;
/** Part of the time that readings may take up, at most: those that take long are made less often. */
const SHARE_MAX = 1 / 20;
/** A reading is not put off for longer than this, however long it takes. */
const FRESH_MAX_MS = 15_000;
/** Milliseconds for which a reading that is no longer new is still shown while the next one is made. */
const STALE_MS = 5_000;

/**
 * An answer that takes counting, shared by all who ask: however many there are, it is read once at a time. Who comes soon
 * after the last reading is not kept waiting for the next one, and sees what is a few seconds old at most.
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

  /** @throws what the reading throws, when there is none to show. */
  async get(): Promise<Aged<T>> {
    if (this.#last === null) return await this.#readOnce();
    const { value, begunAt, tookMs } = this.#last;
    const freshMs = Math.min(Math.max(FRESH_MS, tookMs / SHARE_MAX), FRESH_MAX_MS);
    const ageMs = this.#now() - begunAt;
    if (ageMs >= freshMs + STALE_MS) return await this.#readOnce();
    // A failure is told to those who come once this one is too old.
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
