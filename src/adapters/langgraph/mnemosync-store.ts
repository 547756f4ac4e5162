import {
  BaseStore,
  type GetOperation,
  type Item,
  type ListNamespacesOperation,
  type Operation,
  type OperationResults,
  type PutOperation,
  type SearchItem,
  type SearchOperation,
} from "@langchain/langgraph-checkpoint";
import type { MemorySynchronizer } from "../../index.ts";
import { checkPath, idOf } from "./item-id.ts";
import { ItemReader } from "./item-reader.ts";
import { ItemWriter, type PutWithTtl } from "./item-writer.ts";
import { listPaths } from "./list-paths.ts";
import type { MnemosyncStoreOptions } from "./store-options.ts";

export interface PutOptions {
  /** Milliseconds until the item expires; null: never. @default option `ttl.defaultMs` */
  readonly ttlMs?: number | null | undefined;
}

/**
 * LangGraph's long-term memory on a synchronizer: give it as `store` to a graph. An item is a memory; every put is a version of it, so its
 * history, checks and repairs are those of any other.
 */
export class MnemosyncStore extends BaseStore {
  readonly #sync: MemorySynchronizer;
  readonly #namespace: string;
  readonly #reader: ItemReader;
  readonly #writer: ItemWriter;

  constructor(options: MnemosyncStoreOptions) {
    super();
    this.#sync = options.sync;
    this.#namespace = options.namespace ?? "langgraph";
    this.#writer = new ItemWriter(this.#namespace, options);
    this.#reader = new ItemReader(this.#namespace, options);
  }

  /** As LangGraph has it; `ttlMs` beside it. @throws what `syncMemory` of the synchronizer throws: nothing was written. */
  override async put(
    namespace: string[],
    key: string,
    value: Record<string, unknown>,
    index?: false | string[],
    options: PutOptions = {},
  ): Promise<void> {
    // The base class checks the path more strictly than `batch`, and so it is asked first.
    const { ttlMs } = options;
    if (ttlMs === undefined) return await super.put(namespace, key, value, index);
    checkPath(namespace, "an item");
    await this.#writer.write([{ namespace, key, value, ttlMs, ...(index !== undefined && { index }) }]);
  }

  /**
   * Reads see what was there before the call; of several puts of one item the last counts. Puts are one batch of the synchronizer: a
   * faulty one does not keep the others from being written, and then the call rejects.
   */
  override async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    for (const operation of operations) {
      if ("namespacePrefix" in operation) checkPath(operation.namespacePrefix, "a search");
      else if ("namespace" in operation) checkPath(operation.namespace, "an item");
    }
    const gets = this.#reader.gathered(operations.filter(isGet));
    const results = await Promise.all(operations.map((operation) => this.#read(operation, gets)));
    await this.#writer.write(operations.filter(isPut));
    return results as OperationResults<Op>;
  }

  async #read(
    operation: Operation,
    gets: Promise<ReadonlyMap<string, Item | null>>,
  ): Promise<Item | SearchItem[] | string[][] | null> {
    if (isSearch(operation)) return await this.#reader.search(operation);
    if (isGet(operation)) return (await gets).get(idOf(operation.namespace, operation.key)) ?? null;
    if (isPut(operation)) return null;
    return await listPaths(this.#sync, this.#namespace, operation as ListNamespacesOperation);
  }
}

function isSearch(operation: Operation): operation is SearchOperation {
  return "namespacePrefix" in operation;
}

function isPut(operation: Operation): operation is PutWithTtl & PutOperation {
  return "key" in operation && "value" in operation;
}

function isGet(operation: Operation): operation is GetOperation {
  return "key" in operation && !("value" in operation);
}
