import type { FeedListener, PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { beginListening, FEED_CHANNEL, type FeedNews, signalFeed } from "../ledger/feed-statements.ts";
import { pause, untilAborted, withDeadline } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";

/** Milliseconds for sending a signal, and for beginning to listen: readers also look by themselves. */
const SIGNAL_MS = 5_000;
/** NOTIFY takes a lock of the whole instance when it commits: ten a second and node at most. */
const INTERVAL_MS = 100;

/**
 * Tells other nodes that the feed has news, without saying which, and hears it from them. A wake-up and nothing more: a
 * signal is lost with its connection, so every reader of the feed also looks at intervals.
 */
export class FeedSignal {
  readonly #postgres: PostgresAccess;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #subscribers = new Set<(news: FeedNews) => void>();
  #sending: Promise<void> | null = null;
  #isDue = false;
  #listener: FeedListener | null = null;
  #beginning: Promise<void> | null = null;

  constructor(postgres: PostgresAccess, log: Log) {
    this.#postgres = postgres;
    this.#log = log;
  }

  /** Something was committed. Many calls within a tenth of a second make one signal, the last of them is never left out. */
  touch(): void {
    this.#isDue = true;
    if (!this.#stopping.signal.aborted) this.#sending ??= this.#send();
  }

  /**
   * Calls `onNews` for each signal that is heard, also of this node's own, with what it is about. It must not throw.
   * @returns ends it.
   */
  subscribe(onNews: (news?: FeedNews) => void): () => void {
    const subscriber = (news: FeedNews): void => onNews(news); // The same function may subscribe twice.
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  /**
   * Makes sure that signals are heard from now on; quick when they are already. All subscribers share one connection.
   * @returns whether signals may have been missed, since nothing was listening until now.
   * @throws {StoreUnavailableError}
   */
  async listen(signal: AbortSignal): Promise<boolean> {
    if (this.#listener?.usable() === true) return false;
    this.#beginning ??= this.#begin().finally(() => {
      this.#beginning = null;
    });
    await untilAborted(this.#beginning, signal);
    return true;
  }

  /** No connection and no timer is left afterwards. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#beginning?.catch(() => undefined); // It was told to its own caller.
    this.#listener?.close();
    this.#listener = null;
    await this.#sending;
  }

  async #begin(): Promise<void> {
    const { signal } = this.#stopping;
    this.#listener?.close();
    this.#listener = null;
    const listener = await withDeadline(SIGNAL_MS, signal, (deadline) =>
      this.#postgres.listen(FEED_CHANNEL, beginListening, (news) => this.#hear(news), deadline),
    );
    if (signal.aborted) listener.close();
    else this.#listener = listener;
  }

  /** @param payload an older program sends none. */
  #hear(payload: string): void {
    const news = payload === "queued" ? "queued" : "";
    for (const subscriber of [...this.#subscribers]) subscriber(news);
  }

  async #send(): Promise<void> {
    const { signal } = this.#stopping;
    while (this.#isDue && !signal.aborted) {
      this.#isDue = false;
      try {
        await withDeadline(SIGNAL_MS, signal, (deadline) => this.#postgres.use(deadline, ({ sql }) => signalFeed(sql)));
      } catch (error) {
        if (!signal.aborted) this.#log.debug({ error: (error as Error).message }, "feed.signal_not_sent");
      }
      await pause(INTERVAL_MS, signal);
    }
    this.#sending = null;
  }
}
