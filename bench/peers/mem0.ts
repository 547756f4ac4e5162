import { join } from "node:path";
import Database from "better-sqlite3";
import { Memory } from "mem0ai/oss";
import type { BenchMemory } from "../support/dataset.ts";
import type { Account, Contender, Nearest, Place } from "./contender.ts";
import type { KnownVectors } from "./known-vectors.ts";
import { versionsOf } from "./versions.ts";

const USER = "bench";

/** Parts of a `Memory` that its type keeps to itself. */
interface Insides {
  readonly vectorStore: {
    search(vector: number[], count: number): Promise<{ score?: number; payload: { data: string } }[]>;
  };
}

/** mem0's own `Memory`, as it is by default: vectors and history in SQLite files. No language model (`infer: false`). */
export class Mem0 implements Contender {
  readonly versions = versionsOf("mem0ai", "better-sqlite3");
  readonly vectors: KnownVectors;
  readonly vectorFile: string;
  readonly historyFile: string;
  /** Its ids, which it gives out itself, by ours. */
  readonly ids = new Map<string, string>();
  #memory: Memory;

  private constructor({ directory }: Place, vectors: KnownVectors) {
    this.vectors = vectors;
    this.vectorFile = join(directory, "vectors.db");
    this.historyFile = join(directory, "history.db");
    this.#memory = this.#open();
  }

  static async open(place: Place, vectors: KnownVectors): Promise<Mem0> {
    return new Mem0(place, vectors);
  }

  get memory(): Memory {
    return this.#memory;
  }

  /** There is no such thing: what is added again is there twice. What is known by its id can be updated. */
  readonly sync = null;

  readonly search = async (memory: BenchMemory, count: number): Promise<readonly string[]> => {
    const { results } = await this.#memory.search(memory.content, { topK: count, filters: { user_id: USER } });
    return results.map((found) => memoryIdOf(found.memory));
  };

  async add(memories: readonly BenchMemory[], batchSize: number): Promise<Account> {
    let added = 0;
    for (let start = 0; start < memories.length; start += batchSize) {
      const batch = memories.slice(start, start + batchSize);
      const messages = batch.map(({ content }) => ({ role: "user", content }));
      const { results } = await this.#memory.add(messages, { userId: USER, metadata: metadataOf(batch), infer: false });
      for (const result of results) this.ids.set(memoryIdOf(result.memory), result.id);
      added += results.length;
    }
    return { added };
  }

  async update(memories: readonly BenchMemory[]): Promise<Account> {
    for (const memory of memories) await this.#memory.update(this.idOf(memory), memory.content);
    return { updated: memories.length };
  }

  async remove(memories: readonly BenchMemory[]): Promise<Account> {
    for (const memory of memories) await this.#memory.delete(this.idOf(memory));
    return { deleted: memories.length };
  }

  async counts(): Promise<Account> {
    return {
      vectors: this.query<{ count: number }>(this.vectorFile, "select count(*) as count from vectors")[0]?.count ?? 0,
      history:
        this.query<{ count: number }>(this.historyFile, "select count(*) as count from memory_history")[0]?.count ?? 0,
    };
  }

  /** By vector alone; its `search` mixes in words. */
  async nearest(vector: number[], count: number): Promise<Nearest> {
    const found = await (this.#memory as unknown as Insides).vectorStore.search(vector, count);
    return { memoryIds: found.map(({ payload }) => memoryIdOf(payload.data)), similarity: found[0]?.score ?? null };
  }

  idOf({ memoryId }: BenchMemory): string {
    const id = this.ids.get(memoryId);
    if (id === undefined) throw new Error(`${memoryId} was not added`);
    return id;
  }

  query<Row>(file: string, text: string): Row[] {
    const database = new Database(file);
    try {
      const statement = database.prepare(text);
      if (statement.reader) return statement.all() as Row[];
      statement.run();
      return [];
    } finally {
      database.close();
    }
  }

  /** As a new process has it. */
  reopen(): void {
    this.#memory = this.#open();
  }

  async close(): Promise<void> {
    // It has no way to be closed: its files are closed when the process ends.
  }

  #open(): Memory {
    const model = {
      embedQuery: async (text: string) => this.vectors.plain(text),
      embedDocuments: async (texts: string[]) => texts.map((text) => this.vectors.plain(text)),
    };
    return new Memory({
      embedder: { provider: "langchain", config: { model } },
      vectorStore: {
        provider: "memory",
        config: { collectionName: "memories", dimension: this.vectors.dimension, dbPath: this.vectorFile },
      },
      llm: { provider: "openai", config: { apiKey: "never used" } },
      historyStore: { provider: "sqlite", config: { historyDbPath: this.historyFile } },
    });
  }
}

export const openMem0 = Mem0.open;

/** It takes one set of metadata for all messages of a call. */
function metadataOf(batch: readonly BenchMemory[]): Record<string, unknown> {
  const [first] = batch;
  return batch.length === 1 && first ? { memoryType: first.memoryType, ...first.metadata } : { memoryType: "episodic" };
}

/** The data's texts begin with their number and revision. */
function memoryIdOf(text: string): string {
  return `memory-${Number.parseInt(text, 10)}`;
}
