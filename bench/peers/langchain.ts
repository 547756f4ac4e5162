import { existsSync } from "node:fs";
import { join } from "node:path";
import { PostgresRecordManager } from "@langchain/community/indexes/postgres";
import { FaissStore } from "@langchain/community/vectorstores/faiss";
import { Document } from "@langchain/core/documents";
import { Embeddings } from "@langchain/core/embeddings";
import { type CleanupMode, index } from "@langchain/core/indexing";
import pg from "pg";
import type { BenchMemory } from "../support/dataset.ts";
import type { Account, Contender, Nearest, Place } from "./contender.ts";
import type { KnownVectors } from "./known-vectors.ts";
import { versionsOf } from "./versions.ts";

const TABLE = "upsertion_records";
const SOURCE = "memoryId";

class Known extends Embeddings {
  readonly #vectors: KnownVectors;

  constructor(vectors: KnownVectors) {
    super({});
    this.#vectors = vectors;
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    return texts.map((text) => this.#vectors.plain(text));
  }

  override async embedQuery(text: string): Promise<number[]> {
    return this.#vectors.plain(text);
  }
}

/** `index()` with the record manager in Postgres and the vectors in FAISS. */
export class LangChain implements Contender {
  readonly versions = versionsOf("@langchain/core", "@langchain/community");
  readonly vectors: KnownVectors;
  readonly pool: pg.Pool;
  readonly table = TABLE;
  readonly #embeddings: Known;
  readonly #records: PostgresRecordManager;
  readonly #directory: string;
  #store: FaissStore;

  private constructor(place: Place, vectors: KnownVectors, pool: pg.Pool, store: (known: Known) => FaissStore) {
    this.vectors = vectors;
    this.pool = pool;
    this.#directory = join(place.directory, "faiss-store");
    this.#embeddings = new Known(vectors);
    this.#records = new PostgresRecordManager("memories", { pool, tableName: TABLE });
    this.#store = store(this.#embeddings);
  }

  static async open(place: Place, vectors: KnownVectors): Promise<LangChain> {
    const pool = new pg.Pool({ connectionString: place.postgresUrl });
    const peer = new LangChain(place, vectors, pool, (known) => new FaissStore(known, {}));
    await peer.#records.createSchema();
    await peer.reload();
    return peer;
  }

  readonly sync = async (memories: readonly BenchMemory[], batchSize: number): Promise<Account> =>
    await this.index(memories.map(documentOf), { batchSize, cleanup: "incremental" });

  readonly search = async (memory: BenchMemory, count: number): Promise<readonly string[]> =>
    (await this.nearest(this.vectors.plain(memory.content), count)).memoryIds;

  /** Nothing to clean up after new ones, so that mode is not asked to look: it is faster. */
  async add(memories: readonly BenchMemory[], batchSize: number): Promise<Account> {
    return await this.index(memories.map(documentOf), { batchSize });
  }

  async remove(memories: readonly BenchMemory[]): Promise<Account> {
    const keys = await this.#records.listKeys({ groupIds: memories.map(({ memoryId }) => memoryId) });
    await this.#store.delete({ ids: keys });
    await this.#records.deleteKeys(keys);
    return { keys: keys.length };
  }

  async counts(): Promise<Account> {
    const { rows } = await this.pool.query<{ count: number }>(`select count(*)::int as count from ${TABLE}`);
    return { keys: rows[0]?.count ?? 0, vectors: this.#store._index?.ntotal() ?? 0 };
  }

  async index(
    documents: Document[],
    options: { batchSize: number; cleanup?: CleanupMode; forceUpdate?: boolean },
  ): Promise<Account> {
    const parts = { recordManager: this.#records, vectorStore: this.#store, docsSource: documents };
    return { ...(await index({ ...parts, options: { ...options, sourceIdKey: SOURCE } })) };
  }

  async nearest(vector: number[], count: number): Promise<Nearest> {
    const found = await this.#store.similaritySearchVectorWithScore(vector, count);
    const distance = found[0]?.[1]; // Squared Euclidean, of unit vectors.
    return {
      memoryIds: found.map(([{ metadata }]) => String(metadata[SOURCE])),
      similarity: distance === undefined ? null : 1 - distance / 2,
    };
  }

  /** The documents that a search gives. */
  async documents(vector: number[], count: number): Promise<Document[]> {
    return (await this.#store.similaritySearchVectorWithScore(vector, count)).map(([document]) => document);
  }

  /** The store as a new process has it: what was saved, if anything was. */
  async reload(): Promise<void> {
    const isSaved = existsSync(join(this.#directory, "faiss.index"));
    this.#store = isSaved
      ? await FaissStore.load(this.#directory, this.#embeddings)
      : new FaissStore(this.#embeddings, {});
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

export const openLangChain = LangChain.open;

export function documentOf(memory: Omit<BenchMemory, "metadata"> & { metadata: object }): Document {
  const { memoryId, content, memoryType, importance, metadata } = memory;
  return new Document({ pageContent: content, metadata: { memoryId, memoryType, importance, ...metadata } });
}
