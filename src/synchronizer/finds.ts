import { DeadlineExceededError, ValidationError } from "../domain/errors.ts";
import { parseFilter } from "../domain/filter/filter.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import type { FoundIndexes } from "../ledger/optional-indexes.ts";
import type { CountedStretch, Finder, FoundPage } from "../read/finder.ts";
import { decodeListPlaces } from "../read/list-cursor.ts";
import {
  LIST_ORDERS,
  type ListedMemory,
  type ListOrder,
  type MemoryCount,
  type MemoryPage,
  type NamespacePage,
  PAGE_MAX,
  sortFieldOf,
} from "../read/list-options.ts";
import type { KnownIndexes } from "../read/search/known-indexes.ts";
import type { MergedReads } from "../replica/merged/merged-reads.ts";
import type { CallScope } from "./call-scope.ts";
import type { CountOptions, ListAllOptions, ListOptions, NamespacesOptions } from "./calls.ts";

export interface FindsParts {
  readonly scope: CallScope;
  readonly validator: MemoryValidator;
  readonly finder: Finder;
  readonly indexes: KnownIndexes;
  /** Null: the primary answers alone. */
  readonly merged: MergedReads | null;
}

/** Namespaces that `among` names, at most. */
const AMONG_MAX = 10_000;

/** The façade's calls that list and count. `MemorySynchronizer` documents them. */
export class Finds {
  readonly #parts: FindsParts;

  constructor(parts: FindsParts) {
    this.#parts = parts;
  }

  async list(options: ListOptions): Promise<MemoryPage<never>> {
    const { scope, validator, finder } = this.#parts;
    const { limit = 100, cursor, embedding: withEmbedding = false } = options;
    const { namespace } = validator.validateKey("-", options.namespace);
    const listed = { namespace, condition: parseFilter(options.where ?? {}), order: orderOf(options.orderBy) };
    validator.checkCount(limit, "limit", PAGE_MAX);
    const { place, replica } = cursor === undefined ? { place: null, replica: null } : decodeListPlaces(cursor, listed);
    const primary = {
      after: place,
      limit,
      withEmbedding,
      timeoutMs: scope.timeoutOf(options),
      onBytes: options.onBytes,
    };
    const page = await scope.run("list", options, async (signal) => {
      const { merged } = this.#parts;
      if (merged === null) {
        await this.#checkOrder(listed.order, signal);
        return await finder.list(listed, primary, signal);
      }
      const readPrimary = async (): Promise<FoundPage> => {
        await this.#checkOrder(listed.order, signal);
        return await finder.page(listed, primary, signal);
      };
      const both = { after: { place, replica }, limit, withEmbedding, onBytes: options.onBytes };
      const { answer, sources } = await merged.lists.list(listed, both, readPrimary, signal);
      options.onSources?.(sources);
      return { ...answer, sources };
    });
    return page as MemoryPage<never>;
  }

  /** @throws {ValidationError} The order needs an index that the ledger has not. */
  async #checkOrder(order: ListOrder, signal: AbortSignal): Promise<void> {
    const { indexes } = this.#parts;
    const field = sortFieldOf(order);
    if (field === null) return;
    const serves = ({ orders, hasUnmoved }: FoundIndexes) =>
      orders.includes(field) && !(field === "importance" && hasUnmoved);
    if (serves(await indexes.read(signal))) return;
    const found = await indexes.readNow(signal);
    if (serves(found)) return;
    if (found.orders.includes(field)) {
      const why = "its index does not have the memories from before migration 19 that are not moved yet";
      throw new ValidationError(
        "orderBy",
        `"${order}" has to wait: ${why}: the job move_bodies of a started service moves them`,
      );
    }
    throw new ValidationError(
      "orderBy",
      `"${order}" needs an index, which every write pays for, and the ledger has none: set indexes.orders to ${field}`,
    );
  }

  async *listAll(options: ListAllOptions): AsyncGenerator<ListedMemory<never>, void, undefined> {
    let cursor: string | undefined;
    do {
      const page = await this.list({ ...options, cursor });
      yield* page.memories;
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
  }

  async count(options: CountOptions): Promise<MemoryCount> {
    const { scope, validator, finder } = this.#parts;
    const { estimate = false } = options;
    const { namespace } = validator.validateKey("-", options.namespace);
    const condition = parseFilter(options.where ?? {});
    try {
      return await scope.run("count", options, async (signal) => {
        // The planner's guess is one of the primary's: the replica has none of what it alone holds.
        if (estimate) return { count: await finder.estimate(namespace, condition, signal), estimate };
        const { merged } = this.#parts;
        if (merged === null) return { count: await finder.count(namespace, condition, signal), estimate };
        const primary = (onStretch: (stretch: CountedStretch) => void): Promise<number> =>
          finder.count(namespace, condition, signal, onStretch);
        const { answer, sources } = await merged.counts.count(namespace, condition, primary, signal);
        options.onSources?.(sources);
        return { ...answer, sources };
      });
    } catch (error) {
      if (estimate || !(error instanceof DeadlineExceededError)) throw error;
      const advice = "give it more time (timeoutMs), or take the planner's guess (estimate: true)";
      throw new DeadlineExceededError("count", scope.timeoutOf(options), { cause: error, advice });
    }
  }

  async namespaces({ limit = PAGE_MAX, cursor, among, ...options }: NamespacesOptions): Promise<NamespacePage> {
    const { scope, validator, finder } = this.#parts;
    validator.checkCount(limit, "limit", PAGE_MAX);
    if (among !== undefined && among.length > AMONG_MAX) {
      throw new ValidationError("among", `names ${among.length} namespaces, and at most ${AMONG_MAX} are allowed`);
    }
    for (const name of among ?? []) validator.validateKey("-", name);
    return await scope.run("namespaces", options, (signal) => finder.namespaces({ cursor, limit, among }, signal));
  }
}

function orderOf(order: unknown = "memoryId"): ListOrder {
  const known = LIST_ORDERS.find((name) => name === order);
  if (known !== undefined) return known;
  throw new ValidationError(
    "orderBy",
    `${JSON.stringify(order)?.slice(0, 80)} is no order of a list: expected one of ${LIST_ORDERS.map((name) => `"${name}"`).join(", ")}`,
  );
}
