import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { GetOperation, Item, SearchItem, SearchOperation } from "@langchain/langgraph-checkpoint";
import {
  type Filter,
  type JsonObject,
  type MemorySynchronizer,
  NotFoundError,
  ValidationError,
  VersionConflictError,
} from "../../index.ts";
import { itemFilter } from "./item-filter.ts";
import { idOf, prefixOf } from "./item-id.ts";
import { itemOf } from "./items.ts";
import type { MnemosyncStoreOptions } from "./store-options.ts";

/** Ids of one call of the synchronizer. */
const GET_MANY_MAX = 1_000;
/** Results of one search, those that `offset` skips included. */
const RESULTS_MAX = 1_000;
/** Items that a list without a query skips and shows, at most. */
const LISTED_MAX = 100_000;

/** The fields of a memory that searches and lists return. */
interface Found {
  readonly memoryId: string;
  readonly version: number;
  readonly metadata: JsonObject;
  readonly createdAt?: number | undefined;
  readonly modifiedAt: number;
  readonly expiresAt?: string | undefined;
}

/** Reads items. */
export class ItemReader {
  readonly #sync: MemorySynchronizer;
  readonly #namespace: string;
  readonly #embeddings: EmbeddingsInterface | undefined;
  readonly #isIndexed: boolean;
  /** Null: reads do not begin the time of items anew. */
  readonly #refreshMs: number | null;
  readonly #now: () => number;

  constructor(namespace: string, { sync, index, ttl, now = Date.now }: MnemosyncStoreOptions) {
    this.#sync = sync;
    this.#namespace = namespace;
    this.#isIndexed = index !== false;
    this.#embeddings = index === false ? undefined : index?.embeddings;
    this.#refreshMs = ttl?.refreshOnRead === true ? (ttl.defaultMs ?? null) : null;
    this.#now = now;
  }

  /** The items of all gets, by id, in as few calls as that takes. */
  async gathered(operations: readonly GetOperation[]): Promise<ReadonlyMap<string, Item | null>> {
    const ids = [...new Set(operations.map(({ namespace, key }) => idOf(namespace, key)))];
    const options = { namespace: this.#namespace, createdAt: true };
    const found = new Map<string, Item | null>();
    for (let from = 0; from < ids.length; from += GET_MANY_MAX) {
      const page = ids.slice(from, from + GET_MANY_MAX);
      const [only] = page;
      const memories =
        page.length === 1 && only !== undefined
          ? [await this.#sync.get(only, options)]
          : await this.#sync.getMany(page, options);
      await this.#refresh(memories.filter((memory) => memory !== null));
      page.forEach((id, at) => {
        const memory = memories[at] ?? null;
        found.set(id, memory && itemOf(memory));
      });
    }
    return found;
  }

  async search(operation: SearchOperation): Promise<SearchItem[]> {
    const { namespacePrefix, filter, limit = 10, offset = 0, query } = operation;
    const { where, passes } = itemFilter(filter);
    const prefix = prefixOf(namespacePrefix);
    const all: Filter[] = [...(prefix === "" ? [] : [{ memoryId: { prefix } }]), ...where];
    if (limit <= 0) return [];
    // Without an index a query ranks nothing, as in LangGraph's own store.
    if (query === undefined || query === "" || !this.#isIndexed) return await this.#listed(all, passes, offset, limit);
    return await this.#ranked(query, all, passes, offset, limit);
  }

  async #ranked(
    query: string,
    tests: readonly Filter[],
    passes: ((value: Record<string, unknown>) => boolean) | undefined,
    offset: number,
    limit: number,
  ): Promise<SearchItem[]> {
    const k = offset + limit;
    if (k > RESULTS_MAX)
      throw new ValidationError("limit", `with offset it is ${k}, and at most ${RESULTS_MAX} may be`);
    const vector = await this.#embeddings?.embedQuery(query);
    const results = await this.#sync.search(vector ?? query, {
      namespace: this.#namespace,
      k,
      createdAt: true,
      where: { and: [{ "metadata.indexed": { eq: true } }, ...tests] },
      ...(passes && { filter: (memory) => passes((memory.metadata as JsonObject).value as Record<string, unknown>) }),
    });
    const shown = results.slice(offset);
    await this.#refresh(shown.map(({ memory }) => memory));
    return shown.flatMap(({ score, memory }) => {
      const item = itemOf(memory);
      return item === null ? [] : [{ ...item, score }];
    });
  }

  async #listed(
    tests: readonly Filter[],
    passes: ((value: Record<string, unknown>) => boolean) | undefined,
    offset: number,
    limit: number,
  ): Promise<SearchItem[]> {
    const end = Math.min(offset + limit, LISTED_MAX);
    const where = tests.length === 0 ? {} : { where: { and: tests } };
    const found: Found[] = [];
    let cursor: string | undefined;
    do {
      const pageSize = passes === undefined ? Math.min(end - found.length, GET_MANY_MAX) : 100;
      const page = await this.#sync.list({ namespace: this.#namespace, ...where, limit: pageSize, cursor });
      for (const memory of page.memories) {
        const item = itemOf(memory);
        if (item !== null && passes?.(item.value) !== false) found.push(memory);
      }
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined && found.length < end);
    const shown = found.slice(offset, end);
    await this.#refresh(shown);
    return shown.flatMap((memory) => itemOf(memory) ?? []);
  }

  /** Begins the time of items anew of which half is over. One that was deleted or put since is left alone: its put counts. */
  async #refresh(memories: readonly Found[]): Promise<void> {
    const ttlMs = this.#refreshMs;
    if (ttlMs === null) return;
    const now = this.#now();
    const due = memories.filter(({ expiresAt }) => expiresAt !== undefined && Date.parse(expiresAt) - now < ttlMs / 2);
    const expiresAt = new Date(now + ttlMs);
    await Promise.all(
      due.map(({ memoryId, version: expectedVersion }) =>
        this.#sync
          .patch(memoryId, { expiresAt }, { namespace: this.#namespace, expectedVersion })
          .catch((error: unknown) => {
            if (!(error instanceof NotFoundError || error instanceof VersionConflictError)) throw error;
          }),
      ),
    );
  }
}
