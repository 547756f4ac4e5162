import { randomUUID } from "node:crypto";
import { Document, type DocumentInterface } from "@langchain/core/documents";
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import { maximalMarginalRelevance } from "@langchain/core/utils/math";
import { type MaxMarginalRelevanceSearchOptions, VectorStore } from "@langchain/core/vectorstores";
import type { JsonObject, Memory, MemoryInput, MemorySynchronizer } from "../../index.ts";
import { filterOptions, type MnemosyncFilter, whereOf } from "./document-filter.ts";

export type { MnemosyncFilter };

export interface MnemosyncVectorStoreOptions {
  /** The store does not close it. Its vector index must have the dimension of the embeddings. */
  readonly sync: MemorySynchronizer;
  /** The mnemosync namespace (tenant) of the documents. @default "default" */
  readonly namespace?: string | undefined;
  /** The type of the documents' memories. @default "semantic" */
  readonly memoryType?: string | undefined;
  /** Names the model of the embeddings, which the index may ask for. */
  readonly embeddingModel?: string | undefined;
}

export interface DeleteDocuments {
  readonly ids?: readonly string[] | undefined;
  /** All documents that pass; not a function. */
  readonly filter?: Exclude<MnemosyncFilter, (memory: Memory) => boolean> | undefined;
}

/** Candidates of a search by maximal marginal relevance, where the call does not say how many. */
const FETCH_K = 20;
const DELETES_AT_ONCE = 500;

/** LangChain's vector store on a synchronizer: a document is a memory, its id the memory's. */
export class MnemosyncVectorStore extends VectorStore {
  declare FilterType: MnemosyncFilter;
  readonly #sync: MemorySynchronizer;
  readonly #namespace: string;
  readonly #memoryType: string;
  readonly #embeddingModel: string | undefined;

  constructor(embeddings: EmbeddingsInterface, options: MnemosyncVectorStoreOptions) {
    super(embeddings, {});
    this.#sync = options.sync;
    this.#namespace = options.namespace ?? "default";
    this.#memoryType = options.memoryType ?? "semantic";
    this.#embeddingModel = options.embeddingModel;
  }

  _vectorstoreType(): string {
    return "mnemosync";
  }

  /**
   * Embeds and writes documents. One whose id is taken becomes the next version of that memory.
   * @param options `ids`, one per document. @default the documents' own ids, else new ones
   * @returns the ids. @throws One was not written; the others were.
   */
  override async addDocuments(documents: DocumentInterface[], options?: { ids?: string[] }): Promise<string[]> {
    if (documents.length === 0) return [];
    const vectors = await this.embeddings.embedDocuments(documents.map(({ pageContent }) => pageContent));
    return await this.addVectors(vectors, documents, options);
  }

  override async addVectors(
    vectors: number[][],
    documents: DocumentInterface[],
    { ids = [] }: { ids?: string[] } = {},
  ): Promise<string[]> {
    if (vectors.length !== documents.length) {
      throw new RangeError(`${vectors.length} vectors were given for ${documents.length} documents: expected one each`);
    }
    if (ids.length > 0 && ids.length !== documents.length) {
      throw new RangeError(
        `${ids.length} ids were given for ${documents.length} documents: expected one each, or none`,
      );
    }
    const model = this.#embeddingModel === undefined ? {} : { embeddingModel: this.#embeddingModel };
    const memories = documents.map(
      ({ id, pageContent, metadata }, index): MemoryInput => ({
        namespace: this.#namespace,
        memoryId: ids[index] ?? id ?? randomUUID(),
        content: pageContent,
        memoryType: this.#memoryType,
        metadata: plainJson(metadata),
        embedding: vectors[index],
        ...model,
      }),
    );
    const outcomes = await this.#sync.syncBatch(memories);
    const failed = outcomes.flatMap(({ error }) => error ?? []);
    if (failed.length > 0) {
      const what = `${failed.length} of ${documents.length} documents were not added, and the others were`;
      throw new AggregateError(failed, `${what}: ${failed[0]?.message}`);
    }
    return memories.map(({ memoryId }) => memoryId);
  }

  /** Deletes documents by their ids, or all that pass a filter; an id that is not there is none. */
  override async delete(params: DeleteDocuments = {}): Promise<void> {
    const { ids, filter } = params;
    if ((ids === undefined) === (filter === undefined)) {
      throw new TypeError("delete: expected either { ids } or { filter }");
    }
    const undefinedTests = Object.entries(filter ?? {}).filter(([, test]) => test === undefined);
    if (
      ids === undefined &&
      typeof filter !== "function" &&
      (undefinedTests.length > 0 || Object.keys(filter ?? {}).length === 0)
    ) {
      const found = undefinedTests.length > 0 ? `${undefinedTests[0]?.[0]} is undefined` : "it names nothing";
      throw new TypeError(`delete: a filter must say which documents go, and ${found}: it would take others along`);
    }
    const namespace = this.#namespace;
    const named = ids ?? (await this.#idsOf(filter ?? {}));
    for (let from = 0; from < named.length; from += DELETES_AT_ONCE) {
      const some = named.slice(from, from + DELETES_AT_ONCE);
      await Promise.all(some.map((memoryId) => this.#sync.delete(memoryId, { namespace }))); // They share transactions.
    }
  }

  /** The k nearest documents with their scores: the cosine, where that is the index's metric. */
  override async similaritySearchVectorWithScore(
    query: number[],
    k: number,
    filter?: MnemosyncFilter,
  ): Promise<[Document, number][]> {
    const found = await this.#nearest(query, k, filter);
    return found.map(({ memory, score }) => [documentOf(memory), score]);
  }

  /** Documents that are near to the query and far from each other. */
  override async maxMarginalRelevanceSearch(
    query: string,
    { k, fetchK = FETCH_K, lambda = 0.5, filter }: MaxMarginalRelevanceSearchOptions<MnemosyncFilter>,
  ): Promise<Document[]> {
    const vector = await this.embeddings.embedQuery(query);
    const candidates = await this.#nearest(vector, Math.max(k, fetchK), filter);
    const vectors = candidates.map(({ memory }) => Array.from(memory.embedding ?? []));
    const chosen = maximalMarginalRelevance(vector, vectors, lambda, k);
    return chosen.flatMap((index) => {
      const found = candidates[index];
      return found === undefined ? [] : [documentOf(found.memory)];
    });
  }

  static override async fromTexts(
    texts: string[],
    metadatas: object[] | object,
    embeddings: EmbeddingsInterface,
    options: MnemosyncVectorStoreOptions,
  ): Promise<MnemosyncVectorStore> {
    const documents = texts.map((pageContent, index) => {
      const metadata: object = (Array.isArray(metadatas) ? metadatas[index] : metadatas) ?? {};
      return new Document({ pageContent, metadata: { ...metadata } });
    });
    return await MnemosyncVectorStore.fromDocuments(documents, embeddings, options);
  }

  static override async fromDocuments(
    documents: DocumentInterface[],
    embeddings: EmbeddingsInterface,
    options: MnemosyncVectorStoreOptions,
  ): Promise<MnemosyncVectorStore> {
    const store = new MnemosyncVectorStore(embeddings, options);
    await store.addDocuments(documents);
    return store;
  }

  async #nearest(query: number[], k: number, filter: MnemosyncFilter | undefined) {
    if (k < 1) return [];
    return await this.#sync.search(query, { namespace: this.#namespace, k, ...filterOptions(filter) });
  }

  async #idsOf(filter: NonNullable<DeleteDocuments["filter"]>): Promise<string[]> {
    const ids: string[] = [];
    const where = whereOf(filter as Readonly<Record<string, unknown>>);
    for await (const { memoryId } of this.#sync.listAll({ namespace: this.#namespace, where, limit: 1_000 })) {
      ids.push(memoryId);
    }
    return ids;
  }
}

function documentOf({ memoryId, content, metadata }: Memory): Document {
  return new Document({ id: memoryId, pageContent: content, metadata: { ...metadata } });
}

/** As JSON has it: loaders leave fields undefined, which no memory may have. */
function plainJson(metadata: object): JsonObject {
  return JSON.parse(JSON.stringify(metadata)) as JsonObject;
}
