import type { FeedListener, PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import { beginListening, FEED_CHANNEL, signalFeed } from "../ledger/feed-statements.ts";
import { pause, withDeadline } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";

/** A signal that is not sent within this time is not worth waiting for: who follows the feed looks by itself. */
const SIGNAL_MS = 5_000;
/** NOTIFY takes a lock of the whole instance when it commits: ten a second and node at most. */
const INTERVAL_MS = 100;

/**
 * Tells other nodes that there is news in the feed, without saying what, and hears it from them. A wake-up and nothing
 * more: signals get lost with every connection, so whoever follows the feed also looks by itself at intervals.
 */
export class FeedSignal {
  readonly #postgres: PostgresAccess;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #sending: Promise<void> | null = null;
  #isDue = false;
  #listener: FeedListener | null = null;

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
   * Sees to it that `onNews` is called for signals, also of this node, from now on; quick when it is so already.
   * @returns whether there may have been signals that went unheard, since nobody listened until now.
   * @throws {StoreUnavailableError}
   */
  async listen(onNews: () => void, signal: AbortSignal): Promise<boolean> {
    if (this.#listener?.usable() === true) return false;
    this.#listener?.close();
    this.#listener = null;
    const listener = await withDeadline(SIGNAL_MS, signal, (deadline) =>
      this.#postgres.listen(FEED_CHANNEL, beginListening, onNews, deadline),
    );
    if (this.#stopping.signal.aborted) listener.close();
    else this.#listener = listener;
    return true;
  }

  /** No connection and no timer is left afterwards. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#listener?.close();
    this.#listener = null;
    await this.#sending;
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
