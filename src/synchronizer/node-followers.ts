import { isSound } from "../consistency/reconcile/sides.ts";
import type { ChangeSource, FeedHeader } from "../domain/change-source.ts";
import { StoreRefusedError } from "../domain/errors.ts";
import { type MemoryKey, plainKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { StoreId } from "../domain/store-id.ts";
import { WHOLE_FEED } from "../feed/feed-filter.ts";
import type { Followed } from "../feed/follow-service.ts";
import { Follower, headerFeed } from "../feed/follower.ts";
import { LedgerPlace } from "../feed/ledger-place.ts";
import type { NamedCursor, NamedCursors } from "../feed/named-cursors.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import { newUlid } from "../runtime/ulid.ts";
import type { Projection } from "../stores/projection.ts";
import { identityOf, wantedChange, withoutForeignVector } from "../stores/traits.ts";

export interface NodeFollowerParts {
  readonly ledger: LedgerStore;
  /** The ledger's feed: each time, the ledger proves that it has all that was read before. */
  readonly source: ChangeSource;
  readonly cursors: NamedCursors;
  /** Names this process. */
  readonly holder: string;
  /** Milliseconds that the store may take for one call. */
  readonly publishTimeoutMs: number;
  readonly log: Log;
}

const PAGE_SIZE = 500;
/** Memories fetched at a time: they come with their documents, a mebibyte each at worst. */
const FETCHED_MAX = 250;

/**
 * Brings a store of this node up to date that keeps no cursor of its own: from the start of the feed when it is new or
 * empty, then with what other nodes write. Its place is a cursor in the ledger, named by node and store.
 */
export class NodeFollower implements Followed {
  readonly name: StoreId;
  readonly #projection: Projection;
  readonly #parts: NodeFollowerParts;
  readonly #follower: Follower<Awaited<ReturnType<ReturnType<typeof headerFeed>["read"]>>>;
  #contents: string | null = null;

  constructor(projection: Projection, parts: NodeFollowerParts) {
    const { ledger, source, cursors, holder, log } = parts;
    this.name = projection.id;
    this.#projection = projection;
    this.#parts = parts;
    this.#follower = new Follower({
      feed: headerFeed(source, PAGE_SIZE),
      place: new LedgerPlace({
        cursors,
        name: `node/${ledger.nodeId}/${projection.id}`,
        filter: WHOLE_FEED,
        holder,
        onNewEpoch: "restart",
        contents: (kept, signal) => this.#contentsNow(kept, signal),
        log,
      }),
      apply: (page, signal) => this.#apply(page.headers, signal),
      onProgress: (pass) => log.info({ store: projection.id, ...pass }, "feed.progressed"),
    });
  }

  /** Whether this process never saw the store caught up: what it lacks is no drift. */
  get isFilling(): boolean {
    return this.#follower.caughtUpAt === null;
  }

  get lagMs(): number | null {
    return this.#follower.lagMs;
  }

  async catchUp(signal: AbortSignal): Promise<void> {
    await this.#follower.catchUp(signal);
  }

  async release(signal: AbortSignal): Promise<void> {
    await this.#follower.release(signal);
  }

  /** A store that is empty when this process first looks is filled anew: it may have been kept in memory. */
  async #contentsNow(kept: NamedCursor, signal: AbortSignal): Promise<string | null> {
    if (this.#projection.generation !== undefined) return await this.#projection.generation(signal);
    this.#contents ??= (await this.#projection.count(signal)) === 0 ? newUlid() : (kept.contents ?? newUlid());
    return this.#contents;
  }

  /** Publishes the current versions of those memories of which the store holds an older one, or none. */
  async #apply(headers: readonly FeedHeader[], signal: AbortSignal): Promise<number> {
    const held = await this.#call(signal, (deadline) =>
      this.#projection.read(headers.map(plainKey), { data: false }, deadline),
    );
    const outdated = headers.filter(({ version }, position) => {
      const entry = held[position] ?? null;
      return entry === null || entry.state === "malformed" || entry.version < version;
    });
    let applied = 0;
    for (let start = 0; start < outdated.length; start += FETCHED_MAX) {
      const keys = outdated.slice(start, start + FETCHED_MAX);
      const found = await this.#parts.source.currentChanges(keys, signal);
      applied += await this.#publish(
        found.filter((change) => change !== null),
        signal,
      );
    }
    return applied;
  }

  /** Memories that are damaged in the ledger itself are left out, for the check to find. */
  async #publish(found: readonly MemoryChange[], signal: AbortSignal): Promise<number> {
    const { traits } = this.#projection;
    const changes = found
      .filter(isSound)
      .map((change) => withoutForeignVector(traits, change))
      .filter((change) => wantedChange(traits, change) !== null);
    if (changes.length === 0) return 0;
    try {
      return await this.#publishAll(changes, signal);
    } catch (error) {
      if (!(error instanceof StoreRefusedError) || changes.length === 1) throw error;
      return await this.#publishEach(changes, error, signal);
    }
  }

  /** One memory that the store refuses must not keep all later ones out: the backlog goes on with it. */
  async #publishEach(
    changes: readonly MemoryChange[],
    refusal: StoreRefusedError,
    signal: AbortSignal,
  ): Promise<number> {
    const refused: MemoryKey[] = [];
    let applied = 0;
    for (const change of changes) {
      try {
        applied += await this.#publishAll([change], signal);
      } catch (error) {
        if (!(error instanceof StoreRefusedError)) throw error;
        refused.push(plainKey(change));
      }
    }
    // The store refuses everything, so it's not about these memories.
    if (refused.length === changes.length) throw refusal;
    const { ledger, log } = this.#parts;
    await ledger.enqueue(ledger.queueOf(identityOf(this.#projection)), refused, refusal.message, signal);
    log.warn({ store: this.name, memories: refused.length, error: refusal.message }, "feed.memories_refused");
    return applied;
  }

  async #publishAll(changes: readonly MemoryChange[], signal: AbortSignal): Promise<number> {
    const answers = await this.#call(signal, (deadline) => this.#projection.publish(changes, deadline));
    return answers.filter((answer) => answer === "applied").length;
  }

  async #call<T>(signal: AbortSignal, work: (deadline: AbortSignal) => Promise<T>): Promise<T> {
    return await withDeadline(this.#parts.publishTimeoutMs, signal, work);
  }
}

/** One follower for each store of this node that keeps no cursor of its own. */
export function nodeFollowers(projections: readonly Projection[], parts: NodeFollowerParts): NodeFollower[] {
  return projections
    .filter(({ traits, catchUp }) => traits.scope === "node" && catchUp === undefined)
    .map((projection) => new NodeFollower(projection, parts));
}

/**
 * Stores of this node that are not up to date yet: what they lack is no drift.
 * @param isFollowing whether background work follows. A process without it (a command) follows here; otherwise everything
 *   that other nodes wrote would be reported as missing. With it, a second follower would only take the place away.
 */
export async function storesBeingFilled(
  followers: readonly NodeFollower[],
  isFollowing: boolean,
  log: Log,
  signal: AbortSignal,
): Promise<StoreId[]> {
  if (!isFollowing) {
    await Promise.all(
      followers.map(async (follower) => {
        try {
          await follower.catchUp(signal);
          await follower.release(signal);
        } catch (error) {
          signal.throwIfAborted();
          log.warn({ store: follower.name, error: (error as Error).message }, "feed.not_caught_up");
        }
      }),
    );
  }
  return followers.filter(({ isFilling }) => isFilling).map(({ name }) => name);
}
