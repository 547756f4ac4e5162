import { PostgresStore } from "@langchain/langgraph-checkpoint-postgres/store";
import pg from "pg";
import type { BenchMemory } from "../support/dataset.ts";
import type { Account, Contender, Place } from "./contender.ts";
import { versionsOf } from "./versions.ts";

export const NAMESPACE = ["memories"];

/** `PostgresStore`, without its vector index: that needs pgvector, which the server does not have. */
export class LangGraph implements Contender {
  readonly versions = versionsOf("@langchain/langgraph-checkpoint-postgres", "@langchain/langgraph-checkpoint");
  readonly postgresUrl: string;
  readonly dimension: number;
  readonly store: PostgresStore;
  readonly pool: pg.Pool;
  readonly search = null;

  private constructor({ postgresUrl, dimension }: Place, store: PostgresStore) {
    this.postgresUrl = postgresUrl;
    this.dimension = dimension;
    this.store = store;
    this.pool = new pg.Pool({ connectionString: postgresUrl, max: 2 });
  }

  static async open(place: Place): Promise<LangGraph> {
    const store = PostgresStore.fromConnString(place.postgresUrl);
    await store.setup();
    return new LangGraph(place, store);
  }

  /** Every put writes, whatever is there. */
  readonly sync = async (memories: readonly BenchMemory[], batchSize: number): Promise<Account> =>
    await this.add(memories, batchSize);

  /** So many at once over its pool: faster than its `batch`, which sends one after the other over one connection. */
  async add(memories: readonly BenchMemory[], batchSize: number): Promise<Account> {
    for (let start = 0; start < memories.length; start += batchSize) {
      const batch = memories.slice(start, start + batchSize);
      await Promise.all(batch.map((memory) => this.store.put(NAMESPACE, memory.memoryId, itemOf(memory))));
    }
    return { put: memories.length };
  }

  async remove(memories: readonly BenchMemory[]): Promise<Account> {
    await Promise.all(memories.map(({ memoryId }) => this.store.delete(NAMESPACE, memoryId)));
    return { deleted: memories.length };
  }

  async counts(): Promise<Account> {
    const { rows } = await this.pool.query<{ count: number }>("select count(*)::int as count from store");
    return { rows: rows[0]?.count ?? 0 };
  }

  async close(): Promise<void> {
    await Promise.all([this.store.stop(), this.pool.end()]);
  }
}

export const openLangGraph = LangGraph.open;

export function itemOf({ content, memoryType, importance, metadata }: BenchMemory): Record<string, unknown> {
  return { content, memoryType, importance, metadata };
}
