import PQueue from "p-queue";
import { ClosedError, QueueFullError } from "../domain/errors.ts";
import { pause, untilAborted } from "../runtime/deadline.ts";
import { LinkedAbort } from "../runtime/linked-abort.ts";
import type { Log } from "../runtime/log.ts";
import { onAbort } from "../runtime/on-abort.ts";
import { filterText } from "./feed-filter.ts";
import type { FeedChanges, FeedQuery } from "./feed-page.ts";
import type { FeedSignal } from "./feed-signal.ts";

export interface LongPollOptions {
  readonly read: (query: FeedQuery, signal: AbortSignal) => Promise<FeedChanges>;
  readonly news: Pick<FeedSignal, "subscribe" | "listen">;
  readonly log: Log;
  /** Milliseconds between two looks while signals are heard. @default 5_000 */
  readonly intervalMs?: number;
  /** Milliseconds between two looks while no signal can be heard. @default 500 */
  readonly deafIntervalMs?: number;
}

/** Places of the feed that readers wait at, at most. */
const PLACES_MAX = 1_000;
const READERS_MAX = 10_000;
/** Reads at a time, for all that wait: a signal wakes them together, and writes share the connections. */
const READS_MAX = 2;
/** Milliseconds until the next look for a commit that is signalled and not yet covered; doubled from look to look. */
const LOOK_MIN_MS = 10;
const LOOK_MAX_MS = 500;

/** One place that readers wait at. */
interface Waiting {
  readonly abort: LinkedAbort;
  /** The first page with changes. */
  readonly found: Promise<FeedChanges>;
  /** The last page without. */
  empty: FeedChanges | null;
  readers: number;
  /** Whether a look is due that begins from now on. */
  isDue: boolean;
  /** Ends the pause between two looks. */
  waking: AbortController;
}

/**
 * Has readers wait for news. One loop per place serves all that wait there:
 *
 *   look ──changes──► done
 *    ▲ └─none──► pause until a signal, the interval, or, while a signalled commit is not covered, the next look
 *    └──────────────┘
 *
 * A signal is sent after its commit, which the feed shows once all older transactions have ended. So a signal alone proves
 * nothing: the loop looks again until the horizon has passed every transaction that had begun by then.
 */
export class LongPolls {
  readonly #options: LongPollOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #reads = new PQueue({ concurrency: READS_MAX });
  readonly #stopping = new AbortController();
  readonly #unsubscribe: () => void;
  #readers = 0;

  constructor(options: LongPollOptions) {
    this.#options = options;
    this.#unsubscribe = options.news.subscribe(() => {
      for (const waiting of this.#waiting.values()) wake(waiting);
    });
  }

  /** Readers that wait now. */
  get readers(): number {
    return this.#readers;
  }

  /** Loops that run for them. */
  get places(): number {
    return this.#waiting.size;
  }

  /**
   * The next changes behind a place, as soon as there are any; after `waitMs` an empty page, which may end further on.
   * @throws {QueueFullError} Too many wait. @throws {ClosedError} @throws what `read` throws, and the reason of `signal`.
   */
  async next(query: FeedQuery, waitMs: number, signal: AbortSignal): Promise<FeedChanges> {
    if (this.#stopping.signal.aborted) throw new ClosedError("the change feed");
    signal.throwIfAborted();
    const key = keyOf(query);
    const waiting = this.#waiting.get(key) ?? this.#begin(key, query);
    waiting.readers++;
    this.#readers++;
    // What was committed before this reader came must be seen by it: a look under way may have begun too early.
    wake(waiting);
    const until = new LinkedAbort(signal, waitMs);
    try {
      return await untilAborted(waiting.found, until.signal);
    } catch (error) {
      if (!until.timedOut || error !== until.signal.reason) throw error;
      return waiting.empty ?? (await untilAborted(this.#firstLook(waiting), signal));
    } finally {
      until.release();
      this.#readers--;
      if (--waiting.readers === 0) this.#end(key, waiting);
    }
  }

  /** Readers that wait are rejected; no timer is left. */
  async close(): Promise<void> {
    this.#unsubscribe();
    this.#stopping.abort(new ClosedError("the change feed"));
    await Promise.allSettled([...this.#waiting.values()].map(({ found }) => found));
    await this.#reads.onIdle();
  }

  #begin(key: string, query: FeedQuery): Waiting {
    if (this.#waiting.size >= PLACES_MAX || this.#readers >= READERS_MAX) {
      const found = `${this.#readers} readers wait at ${this.#waiting.size} places of the change feed`;
      const limits = `at most ${READERS_MAX} readers at ${PLACES_MAX} places may: ask again later, or without waiting`;
      throw new QueueFullError(this.#readers, READERS_MAX, `${found}, and ${limits}`);
    }
    const abort = new LinkedAbort(this.#stopping.signal);
    const waiting: Waiting = {
      abort,
      found: Promise.resolve().then(() => this.#look(waiting, query)),
      empty: null,
      readers: 0,
      isDue: true,
      waking: new AbortController(),
    };
    onAbort(abort.signal, () => waiting.waking.abort());
    waiting.found
      .catch(() => undefined) // Told to its readers, if there are any left.
      .then(() => this.#end(key, waiting));
    this.#waiting.set(key, waiting);
    return waiting;
  }

  #end(key: string, waiting: Waiting): void {
    if (this.#waiting.get(key) === waiting) this.#waiting.delete(key);
    waiting.abort.abort();
    waiting.abort.release();
  }

  /** The first empty page, for readers whose time ends before it is read. */
  async #firstLook(waiting: Waiting): Promise<FeedChanges> {
    while (waiting.empty === null) {
      const found = await Promise.race([waiting.found, pause(LOOK_MIN_MS, waiting.abort.signal)]);
      if (found !== undefined) return found;
    }
    return waiting.empty;
  }

  async #look(waiting: Waiting, query: FeedQuery): Promise<FeedChanges> {
    const { signal } = waiting.abort;
    const { read, intervalMs = 5_000, deafIntervalMs = 500 } = this.#options;
    let { place } = query;
    let coveredFrom = 0n;
    let lookMs = LOOK_MIN_MS;
    while (true) {
      signal.throwIfAborted();
      waiting.waking = new AbortController();
      const hears = await this.#hears(waiting, signal);
      const wasDue = waiting.isDue;
      waiting.isDue = false;
      const page = await this.#reads.add(() => read({ ...query, place }, signal), { signal });
      signal.throwIfAborted();
      if (page.changes.length > 0) return page;
      waiting.empty = page;
      place = { epoch: page.epoch, cursor: page.cursor };
      if (wasDue) {
        coveredFrom = page.newest;
        lookMs = LOOK_MIN_MS;
      }
      if (waiting.isDue || !page.complete) continue;
      const isCovered = page.horizon >= coveredFrom;
      await pause(isCovered ? (hears ? intervalMs : deafIntervalMs) : lookMs, waiting.waking.signal);
      lookMs = Math.min(2 * lookMs, LOOK_MAX_MS);
    }
  }

  /** Whether signals are heard. Those that may have been missed make a look due. */
  async #hears(waiting: Waiting, signal: AbortSignal): Promise<boolean> {
    try {
      if (await this.#options.news.listen(signal)) waiting.isDue = true;
      return true;
    } catch (error) {
      signal.throwIfAborted();
      this.#options.log.debug({ error: (error as Error).message }, "feed.not_listening");
      return false;
    }
  }
}

function wake(waiting: Waiting): void {
  waiting.isDue = true;
  waiting.waking.abort();
}

/** Readers that ask for the same get the same page. */
function keyOf({ place, filter, parts, limit }: FeedQuery): string {
  const { epoch, cursor } = place ?? { epoch: null, cursor: null };
  return JSON.stringify([epoch, cursor?.xid, cursor?.seq, filterText(filter), parts, limit]);
}
