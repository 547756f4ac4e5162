import { assertWhole } from "../domain/assert-whole.ts";
import { ClosedError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { PostgresAccess, Sql } from "../drivers/postgres/postgres-access.ts";
import { readHorizon } from "../ledger/feed-page-statements.ts";
import { isToldWhole } from "../ledger/told-memory-statement.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import type { FeedFilter } from "./feed-filter.ts";
import { type FeedChanges, type FeedQuery, readPage } from "./feed-page.ts";
import type { FeedSignal } from "./feed-signal.ts";
import type { FeedPlace } from "./follower.ts";
import { LongPolls } from "./long-poll.ts";
import { NamedCursors } from "./named-cursors.ts";

export interface FeedParts {
  readonly postgres: PostgresAccess;
  readonly news: FeedSignal;
  /** Milliseconds that one call to Postgres may take. */
  readonly callTimeoutMs: number;
  readonly log: Log;
}

/** Milliseconds that a reader may wait for news, at most. */
export const WAIT_MAX_MS = 30_000;
/** Changes per page, at most. */
export const PAGE_MAX = 1_000;

/** The ledger's change feed, as readers of all kinds see it: without gaps, behind a filter, from any place that it knows. */
export class Feed {
  readonly cursors: NamedCursors;
  readonly #parts: FeedParts;
  readonly #polls: LongPolls;
  #isClosed = false;

  constructor(parts: FeedParts) {
    const { postgres, news, callTimeoutMs, log } = parts;
    this.#parts = parts;
    this.cursors = new NamedCursors(postgres, { callTimeoutMs });
    this.#polls = new LongPolls({ read: (query, signal) => this.#read(query, signal), news, log });
  }

  /**
   * One page, oldest change first.
   * @param query.limit 1 … 1_000.
   * @param options.waitMs how long to wait for a first change, 0 … 30_000. @default 0
   * @throws {EpochChangedError} The place is of another history. @throws {ValidationError}
   * @throws {StoreUnavailableError} @throws {QueueFullError} Too many readers wait. @throws {ClosedError}
   */
  async read(query: FeedQuery, options: { waitMs?: number }, signal: AbortSignal): Promise<FeedChanges> {
    if (this.#isClosed) throw new ClosedError("the change feed");
    const { waitMs = 0 } = options;
    assertWhole("limit", query.limit, 1, PAGE_MAX);
    assertWhole("waitMs", waitMs, 0, WAIT_MAX_MS);
    return waitMs === 0 ? await this.#read(query, signal) : await this.#polls.next(query, waitMs, signal);
  }

  /** The place behind everything that is committed now, and before what commits later. @throws {StoreUnavailableError} */
  async now(signal: AbortSignal): Promise<FeedPlace> {
    if (this.#isClosed) throw new ClosedError("the change feed");
    return await this.#connection(signal, readHorizon);
  }

  /**
   * Whether a reader outside of the deployment is told the whole of what a memory says now: it is alive, its privacy is `full`, and
   * it passes the filter of memories. @throws {StoreUnavailableError}
   */
  async tellsWhole(key: MemoryKey, { where }: FeedFilter, signal: AbortSignal): Promise<boolean> {
    return await this.#connection(signal, (sql) => isToldWhole(sql, key, where?.condition ?? null));
  }

  /** Readers that wait are rejected with `ClosedError`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#polls.close();
  }

  async #read(query: FeedQuery, signal: AbortSignal): Promise<FeedChanges> {
    const page = await this.#connection(signal, (sql) => readPage(sql, query));
    for (const memory of page.damaged) this.#parts.log.warn(memory, "feed.memory_damaged");
    return page;
  }

  async #connection<T>(signal: AbortSignal, work: (sql: Sql) => Promise<T>): Promise<T> {
    const { postgres, callTimeoutMs } = this.#parts;
    return await withDeadline(callTimeoutMs, signal, (deadline) => postgres.use(deadline, ({ sql }) => work(sql)));
  }
}
