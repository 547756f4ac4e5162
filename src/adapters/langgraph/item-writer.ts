import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { PutOperation } from "@langchain/langgraph-checkpoint";
import type { MemoryInput, MemorySynchronizer } from "../../index.ts";
import { idOf } from "./item-id.ts";
import { type ItemMetadata, memoryOf } from "./items.ts";
import type { MnemosyncStoreOptions } from "./store-options.ts";

export interface PutWithTtl extends PutOperation {
  readonly ttlMs?: number | null | undefined;
}

/** Writes items, each as a memory. */
export class ItemWriter {
  readonly #sync: MemorySynchronizer;
  readonly #namespace: string;
  readonly #embeddings: EmbeddingsInterface | undefined;
  readonly #fields: readonly string[];
  readonly #defaultTtlMs: number | undefined;
  readonly #memoryType: string;
  readonly #now: () => number;

  constructor(namespace: string, { sync, index, ttl, memoryType = "semantic", now = Date.now }: MnemosyncStoreOptions) {
    this.#sync = sync;
    this.#namespace = namespace;
    this.#embeddings = index === false ? undefined : index?.embeddings;
    this.#fields = index === false ? [] : (index?.fields ?? ["$"]);
    this.#defaultTtlMs = ttl?.defaultMs;
    this.#memoryType = memoryType;
    this.#now = now;
  }

  /** Of several of one item the last counts. @throws the error of one that failed; the others are written. */
  async write(operations: readonly PutWithTtl[]): Promise<void> {
    const last = new Map(operations.map((operation) => [idOf(operation.namespace, operation.key), operation]));
    const puts = [...last.values()].filter(({ value }) => value !== null);
    const deletes = [...last].filter(([, { value }]) => value === null);
    const namespace = this.#namespace;
    await Promise.all([
      this.#put(puts.map((operation) => this.#memoryOf(operation))),
      // Calls at the same time share transactions.
      ...deletes.map(([memoryId]) => this.#sync.delete(memoryId, { namespace })),
    ]);
  }

  async #put(memories: readonly MemoryInput[]): Promise<void> {
    const [first] = memories;
    if (first === undefined) return;
    const embedded = await this.#embedded(memories);
    if (embedded.length === 1) {
      const [{ memoryId, ...fields }] = embedded as [MemoryInput];
      await this.#sync.syncMemory(memoryId, fields);
      return;
    }
    const outcomes = await this.#sync.syncBatch(embedded);
    const failed = outcomes.filter(({ error }) => error !== undefined);
    const [{ error }] = [failed[0] ?? { error: undefined }];
    if (failed.length === 1 && error !== undefined) throw error;
    if (error !== undefined) {
      throw new AggregateError(
        failed.map((outcome) => outcome.error),
        `${failed.length} of ${outcomes.length} items were not put, and the others were: ${error.message}`,
      );
    }
  }

  #memoryOf({ namespace: path, key, value, index, ttlMs = this.#defaultTtlMs }: PutWithTtl): MemoryInput {
    const fields = index === false ? [] : (index ?? this.#fields);
    const expiresAt = ttlMs === undefined || ttlMs === null ? null : new Date(this.#now() + ttlMs);
    const item = { path, key, value: value ?? {}, fields, expiresAt, memoryType: this.#memoryType };
    return { ...memoryOf(item), namespace: this.#namespace };
  }

  /** With the vectors of the embeddings that the store was given; otherwise the synchronizer's embedder makes them. */
  async #embedded(memories: readonly MemoryInput[]): Promise<readonly MemoryInput[]> {
    if (this.#embeddings === undefined) return memories;
    const isIndexed = ({ metadata }: MemoryInput) => (metadata as unknown as ItemMetadata).indexed;
    const texts = memories.filter(isIndexed).map(({ content }) => content);
    const vectors = texts.length === 0 ? [] : await this.#embeddings.embedDocuments(texts);
    let next = 0;
    return memories.map((memory) => (isIndexed(memory) ? { ...memory, embedding: vectors[next++] } : memory));
  }
}
