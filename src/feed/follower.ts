import { type ChangeSource, type FeedCursor, type FeedPage, isLater } from "../domain/change-source.ts";
import { AbortedError, EpochChangedError, StoreUnavailableError } from "../domain/errors.ts";
import { LEDGER_ID } from "../domain/store-id.ts";
import { isTimeout, untilAborted, withDeadline } from "../runtime/deadline.ts";

/** A place in the feed, and the history that it belongs to. */
export interface FeedPlace {
  readonly epoch: string;
  readonly cursor: FeedCursor;
}

/** The least that a follower needs to know of a page. */
export interface FollowedPage {
  /** Behind the last change of the page. */
  readonly cursor: FeedCursor;
  /** Changes in the page. */
  readonly size: number;
  /** Whether the feed showed nothing behind this page when it was read. */
  readonly complete: boolean;
}

/** The feed as a follower reads it. */
export interface FollowedFeed<Page extends FollowedPage> {
  /** @param seen the place that the follower has read up to, in this process: all before it must be there still. */
  epoch(signal: AbortSignal, seen: readonly FeedPlace[]): Promise<string>;
  read(cursor: FeedCursor, signal: AbortSignal): Promise<Page>;
}

/**
 * Where a follower keeps its place: in memory beside data that has snapshots of its own, in the ledger under a name, or in
 * another database together with the data.
 */
export interface PlaceKeeper {
  /**
   * The place to read on from; the start of the feed in `epoch`, which is the ledger's, where none is kept yet. Null: another
   * process reads on from it.
   * @throws {EpochChangedError} The kept place belongs to another epoch.
   */
  load(epoch: string, signal: AbortSignal): Promise<FeedPlace | null>;
  /** Keeps `to`, once everything before it is applied. `from` is the place that the page was read from. */
  save(from: FeedPlace, to: FeedPlace, signal: AbortSignal): Promise<void>;
  /** Lets other processes read on from the place. Absent: no other process can. */
  release?(signal: AbortSignal): Promise<void>;
}

/** What one pass did. */
export interface FollowPass {
  /** Changes read. */
  readonly read: number;
  /** Changes that the user took, as `apply` counts them. */
  readonly applied: number;
}

export interface FollowerOptions<Page extends FollowedPage> {
  readonly feed: FollowedFeed<Page>;
  readonly place: PlaceKeeper;
  /**
   * Takes over a page that is not empty. A page may come twice: after a crash between `apply` and the keeping of its place.
   * @returns how many of its changes were news.
   */
  readonly apply: (page: Page, signal: AbortSignal) => Promise<number>;
  /** Told once a second at most, while a pass is long. */
  readonly onProgress?: (pass: FollowPass) => void;
  /** Milliseconds that one question to the ledger may take. @default 60_000 */
  readonly callTimeoutMs?: number;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

const CALL_TIMEOUT_MS = 60_000;
const PROGRESS_INTERVAL_MS = 1_000;

/**
 * Follows the change feed: reads a page, has its user apply it, keeps the place, until the feed's end. One pass has no
 * timers; `FollowService` repeats it. Two passes may overlap where the keeper allows it: then the later place counts.
 */
export class Follower<Page extends FollowedPage> {
  readonly #options: FollowerOptions<Page>;
  readonly #now: () => number;
  #caughtUpAt: number | null = null;
  #seen: readonly FeedPlace[] = [];

  constructor(options: FollowerOptions<Page>) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** When the last pass that reached the feed's end asked for its last page; milliseconds since 1970, null before the first. */
  get caughtUpAt(): number | null {
    return this.#caughtUpAt;
  }

  /** Milliseconds by which the user may be behind the feed; null before the first complete pass. */
  get lagMs(): number | null {
    return this.#caughtUpAt === null ? null : Math.max(0, this.#now() - this.#caughtUpAt);
  }

  /**
   * One pass, up to the place where the feed ended when it was asked.
   * @throws {EpochChangedError} The place belongs to another history. Nothing was applied since.
   * @throws {StoreUnavailableError} The ledger gave no answer. @throws what `apply` and the keeper throw.
   */
  async catchUp(signal: AbortSignal): Promise<FollowPass> {
    const { feed, place: keeper, apply, onProgress } = this.#options;
    const epoch = await this.#ask(signal, (deadline) => feed.epoch(deadline, this.#seen));
    const kept = await this.#ask(signal, (deadline) => keeper.load(epoch, deadline));
    if (kept === null) return { read: 0, applied: 0 };
    let place = kept;
    this.#seen = [place];
    if (place.epoch !== epoch) throw new EpochChangedError(place.epoch, epoch);
    let read = 0;
    let applied = 0;
    let reportedAt = performance.now();
    while (true) {
      const askedAt = this.#now();
      const page = await this.#ask(signal, (deadline) => feed.read(place.cursor, deadline));
      if (page.size > 0) applied += await apply(page, signal);
      read += page.size;
      const reached = { epoch, cursor: page.cursor };
      if (isLater(reached.cursor, place.cursor)) {
        await this.#ask(signal, (deadline) => keeper.save(place, reached, deadline));
        place = reached;
        this.#seen = [place];
      }
      // Going on until a page is empty would be to race the writers.
      if (page.complete) {
        this.#caughtUpAt = Math.max(askedAt, this.#caughtUpAt ?? askedAt);
        return { read, applied };
      }
      if (performance.now() - reportedAt > PROGRESS_INTERVAL_MS) {
        reportedAt = performance.now();
        onProgress?.({ read, applied });
      }
    }
  }

  /** Lets another process follow from the same place. No pass may be under way. @throws {StoreUnavailableError} */
  async release(signal: AbortSignal): Promise<void> {
    await this.#options.place.release?.(signal);
  }

  /** Asks, and waits no longer than the time allowed, even for a source that does not heed its signal. */
  #ask<T>(signal: AbortSignal, question: (deadline: AbortSignal) => Promise<T>): Promise<T> {
    return askLedger(this.#options.callTimeoutMs ?? CALL_TIMEOUT_MS, signal, question);
  }
}

/** A question to the ledger with a deadline. @throws {StoreUnavailableError} no answer in time. @throws {AbortedError} */
export function askLedger<T>(
  timeoutMs: number,
  signal: AbortSignal,
  question: (deadline: AbortSignal) => Promise<T>,
): Promise<T> {
  return withDeadline(timeoutMs, signal, async (deadline) => {
    try {
      return await untilAborted(question(deadline), deadline);
    } catch (error) {
      if (error !== deadline.reason) throw error;
      if (isTimeout(deadline))
        throw new StoreUnavailableError(LEDGER_ID, "its feed gave no answer in time", { cause: error });
      throw new AbortedError("reading the ledger's feed", { cause: error });
    }
  });
}

/** A feed of headers as a follower reads it, in pages of `limit`. */
export function headerFeed(
  source: Pick<ChangeSource, "epoch" | "changesAfter">,
  limit: number,
): FollowedFeed<FeedPage & FollowedPage> {
  return {
    epoch: (signal, seen) => source.epoch(signal, seen),
    async read(cursor, signal) {
      const page = await source.changesAfter(cursor, limit, signal);
      return { ...page, size: page.headers.length, complete: page.headers.length < limit };
    },
  };
}

/** A place in memory, for data that is kept with it: of two overlapping passes the one behind does not turn it back. */
export class VolatilePlace implements PlaceKeeper {
  #place: FeedPlace;

  constructor(place: FeedPlace) {
    this.#place = place;
  }

  get current(): FeedPlace {
    return this.#place;
  }

  async load(): Promise<FeedPlace> {
    return this.#place;
  }

  async save(_from: FeedPlace, to: FeedPlace): Promise<void> {
    if (isLater(to.cursor, this.#place.cursor)) this.#place = to;
  }
}
