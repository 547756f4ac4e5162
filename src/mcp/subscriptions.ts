import type { MemoryKey } from "../index.ts";
import { Refusal } from "./failure.ts";
import { keyOfUri } from "./memory-uri.ts";
import type { ResourceFeed } from "./resource-feed.ts";

/** Where updates go: the connection of one session. */
export interface UpdateSink {
  /** Sends one update. Resolves once the connection has taken it. */
  send(uri: string): Promise<void>;
}

const SUBSCRIPTIONS_MAX = 1_000;
/** Bytes of the URIs of one session, at most. */
const URI_BYTES_MAX = 65_536;

/**
 * The resources that one session watches. Updates are sent one by one: while the connection takes none, those of the same resource
 * become one, so that a slow reader holds no more than the URIs it subscribed to.
 */
export class Subscriptions {
  readonly #feed: ResourceFeed;
  readonly #sink: UpdateSink;
  readonly #ends = new Map<string, () => void>();
  readonly #due = new Set<string>();
  #bytes = 0;
  #sending = false;
  #closed = false;

  constructor(feed: ResourceFeed, sink: UpdateSink) {
    this.#feed = feed;
    this.#sink = sink;
  }

  get size(): number {
    return this.#ends.size;
  }

  /** @throws {Refusal} As many are watched as may be. */
  async add(uri: string, key: MemoryKey): Promise<void> {
    if (this.#ends.has(uri)) return;
    const bytes = Buffer.byteLength(uri);
    if (this.#ends.size >= SUBSCRIPTIONS_MAX || this.#bytes + bytes > URI_BYTES_MAX) {
      const found = `this connection watches ${this.#ends.size} resources, and no more may be: unsubscribe from some`;
      throw new Refusal("TOO_MANY_CALLS", found);
    }
    this.#bytes += bytes;
    // Kept before the feed answers, so that two calls at once are one subscription.
    let isGone = false;
    this.#ends.set(uri, () => {
      isGone = true;
    });
    try {
      const end = await this.#feed.subscribe(key, () => this.#noteDue(uri));
      if (isGone || this.#closed) end();
      else this.#ends.set(uri, end);
    } catch (error) {
      if (!isGone) this.remove(uri); // Else another call has the place by now.
      throw error;
    }
  }

  remove(uri: string): void {
    const end = this.#ends.get(uri);
    if (end === undefined) return;
    this.#ends.delete(uri);
    this.#due.delete(uri);
    this.#bytes -= Buffer.byteLength(uri);
    end();
  }

  /** Forgets what the caller may no longer see. */
  keepOnly(allowed: (namespace: string) => boolean): void {
    for (const uri of [...this.#ends.keys()]) {
      const key = keyOfUri(uri);
      if (key === null || !allowed(key.namespace)) this.remove(uri);
    }
  }

  close(): void {
    this.#closed = true;
    for (const uri of [...this.#ends.keys()]) this.remove(uri);
  }

  #noteDue(uri: string): void {
    if (this.#closed) return;
    this.#due.add(uri);
    if (!this.#sending) void this.#send();
  }

  /** Never rejects. */
  async #send(): Promise<void> {
    this.#sending = true;
    try {
      for (const uri of this.#due) {
        this.#due.delete(uri);
        await this.#sink.send(uri);
      }
    } catch {
      this.#due.clear(); // The connection is gone.
    } finally {
      this.#sending = false;
    }
  }
}
