import { withDeadline } from "./deadline.ts";

/** The gauges of one room. */
export interface GaugeSource {
  /** Reads values anew, when the last reading is too old. Must not reject: gauges keep their last values then. */
  read?(signal: AbortSignal): Promise<void>;
  /** Shows values that cost nothing to know. Called at each scrape. */
  show?(): void;
}

export interface ReadingsOptions {
  readonly sources: readonly GaugeSource[];
  /** Milliseconds for which a reading is good enough; 0: read at each scrape. */
  readonly freshMs: number;
  /** Milliseconds that a scrape waits for new readings; then it shows the last ones. */
  readonly timeoutMs: number;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

/** At least this many times the duration of a reading lies between two: a slow ledger is asked less often. */
const REST_FACTOR = 20;

/**
 * Brings gauges up to date that need a query. It reads at a scrape, when the last reading is too old: many scrapers cost no
 * more than one, and no scraper costs nothing. A store that does not answer leaves the last values standing.
 */
export class Readings {
  readonly #options: ReadingsOptions;
  readonly #now: () => number;
  #dueAt = Number.NEGATIVE_INFINITY;
  #underway: Promise<void> | null = null;

  constructor(options: ReadingsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Brings all gauges up to date as far as they need it. Waits for `timeoutMs` at most. */
  refresh(): Promise<void> {
    this.#underway ??= this.#refresh().finally(() => {
      this.#underway = null;
    });
    return this.#underway;
  }

  async #refresh(): Promise<void> {
    const { sources, timeoutMs, freshMs } = this.#options;
    const startedAt = this.#now();
    if (startedAt >= this.#dueAt) {
      await withDeadline(timeoutMs, undefined, async (signal) => {
        await Promise.all(sources.map((source) => source.read?.(signal)));
      });
      const tookMs = this.#now() - startedAt;
      if (freshMs > 0) this.#dueAt = this.#now() + Math.max(freshMs, tookMs * REST_FACTOR);
    }
    for (const source of sources) source.show?.();
  }
}
