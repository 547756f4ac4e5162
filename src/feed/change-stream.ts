import type * as z from "zod";
import { ClosedError, InternalError, MnemosyncError } from "../domain/errors.ts";
import { backoffMs } from "../runtime/backoff.ts";
import { pause } from "../runtime/deadline.ts";
import type { Log } from "../runtime/log.ts";
import { NEVER } from "../runtime/shared-deadline.ts";
import { decodeCursor, encodeCursor } from "./change-cursor.ts";
import type { ChangeEvent, ChangePage, ChangesOptions, ReadChangesOptions } from "./change-options.ts";
import { changesSchema, parseOptions, type querySchema, readSchema } from "./change-schemas.ts";
import type { Feed } from "./feed.ts";
import { type FeedFilter, parseFilter } from "./feed-filter.ts";
import type { FeedChange, FeedChanges } from "./feed-page.ts";
import type { FeedPlace } from "./follower.ts";

const RETRY = { baseMs: 100, maxMs: 5_000 };

/** The change feed for readers that keep an opaque cursor: in pages, or as a stream that is pulled. */
export class ChangeStream {
  readonly #feed: Feed;
  readonly #log: Log;

  constructor(feed: Feed, log: Log) {
    this.#feed = feed;
    this.#log = log;
  }

  /** One page. `MemorySynchronizer.readChanges` documents it. */
  async read(options: ReadChangesOptions, signal: AbortSignal): Promise<ChangePage> {
    const { limit, waitMs, ...query } = parseOptions(readSchema(), options);
    const { filter, place, embeddings } = this.#reading(query);
    const from = place === "now" ? await this.#feed.now(signal) : place;
    const page = await this.#feed.read({ place: from, filter, parts: partsOf(embeddings), limit }, { waitMs }, signal);
    return toPage(page, filter);
  }

  /** A stream. `MemorySynchronizer.changes` documents it. Options are checked at once, not with the first event. */
  stream(options: ChangesOptions): AsyncGenerator<ChangeEvent, void, undefined> {
    const { signal = NEVER, follow, pageSize, waitMs, onPosition, ...query } = parseOptions(changesSchema(), options);
    const { filter, place, embeddings } = this.#reading(query);
    const readPage = (from: FeedPlace | null): Promise<FeedChanges> => {
      const page = { place: from, filter, parts: partsOf(embeddings), limit: pageSize };
      return this.#feed.read(page, follow ? { waitMs } : {}, signal);
    };
    return this.#events({ readPage, filter, place, follow, onPosition, signal });
  }

  async *#events(stream: {
    readPage: (from: FeedPlace | null) => Promise<FeedChanges>;
    filter: FeedFilter;
    place: FeedPlace | "now" | null;
    follow: boolean;
    onPosition: ((cursor: string) => void) | undefined;
    signal: AbortSignal;
  }): AsyncGenerator<ChangeEvent, void, undefined> {
    const { readPage, filter, follow, onPosition, signal } = stream;
    let { place } = stream;
    let failures = 0;
    while (!signal.aborted) {
      let page: FeedChanges;
      try {
        if (place === "now") place = await this.#feed.now(signal);
        page = await readPage(place);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (!follow || !isPassing(error)) throw error;
        const waitMs = backoffMs(++failures, RETRY);
        this.#log.warn({ error: (error as Error).message, waitMs }, "feed.read_failed");
        await pause(waitMs, signal);
        continue;
      }
      for (const change of page.changes) {
        if (signal.aborted) return;
        yield toEvent(change, page.epoch, filter);
      }
      place = { epoch: page.epoch, cursor: page.cursor };
      onPosition?.(encodeCursor(place, filter));
      if (!follow && page.complete) return;
    }
  }

  #reading(query: z.infer<z.ZodObject<ReturnType<typeof querySchema>>>): {
    filter: FeedFilter;
    place: FeedPlace | "now" | null;
    embeddings: boolean;
  } {
    const { namespaces, where, reading, includeLocal, cursor, from, embeddings } = query;
    const filter = parseFilter({
      namespaces,
      where,
      reading,
      privacy: includeLocal ? "ignored" : "applied",
    });
    const start = from === "now" ? "now" : null;
    return { filter, place: cursor === undefined ? start : decodeCursor(cursor, filter), embeddings };
  }
}

/** Whether a stream that follows goes on after a pause: what it has told so far stays true. */
function isPassing(error: unknown): boolean {
  return error instanceof MnemosyncError && error.retryable && !(error instanceof ClosedError);
}

function partsOf(embeddings: boolean): "documents" | "memories" {
  return embeddings ? "memories" : "documents";
}

function toPage(page: FeedChanges, filter: FeedFilter): ChangePage {
  return {
    events: page.changes.map((change) => toEvent(change, page.epoch, filter)),
    cursor: encodeCursor({ epoch: page.epoch, cursor: page.cursor }, filter),
    complete: page.complete,
  };
}

/** A change as readers outside of this room get it, with its cursor. */
export function toEvent(change: FeedChange, epoch: string, filter: FeedFilter): ChangeEvent {
  const { kind, namespace, memoryId, version, modifiedAt, versionVector, transactionId } = change;
  const cursor = encodeCursor({ epoch, cursor: change.cursor }, filter);
  const base = { namespace, memoryId, version, modifiedAt, versionVector, transactionId, cursor };
  if (kind !== "put") return { kind, reason: change.reason ?? kind, ...base };
  const { document, checksum, embedding } = change;
  if (document === null) throw new InternalError(`the feed gave no document of ${JSON.stringify(memoryId)}`);
  return { kind, ...base, memory: { ...document, checksum, embedding } };
}
