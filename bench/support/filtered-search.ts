import type { Condition } from "../../src/domain/filter/filter.ts";
import type { Memory, PutChange } from "../../src/domain/memory.ts";
import type { KnownIndexes } from "../../src/read/search/known-indexes.ts";
import { VectorSearch } from "../../src/read/search/vector-search.ts";
import type { FaissProjection } from "../../src/stores/faiss/client/faiss-projection.ts";
import type { VectorIndex } from "../../src/stores/vector-index.ts";
import { StoreGate } from "../../src/write/store-gate.ts";

const NO_INDEXES = { hasFields: false, languages: [], orders: [] };
/** A condition that every memory meets, and yet one: the index is asked for more at once. */
const SOME: Condition = { kind: "all", of: [{ kind: "all", of: [] }] };

/**
 * The program's own search over an index, with a filter that goes after it: memories come from `held` instead of Redis, and
 * the ledger knows no shorter way.
 */
export class FilteredSearch {
  readonly #search: VectorSearch;
  /** Hits that the index was asked for. */
  asked = 0;

  constructor(index: FaissProjection, held: ReadonlyMap<string, PutChange>) {
    const memories = async (keys: readonly { memoryId: string }[]): Promise<(Memory | null)[]> =>
      keys.map(({ memoryId }) => (held.get(memoryId) as unknown as Memory | undefined) ?? null);
    const counted: Pick<VectorIndex, "search" | "score" | "traits" | "id" | "health"> = {
      id: index.id,
      traits: index.traits,
      health: (signal) => index.health(signal),
      score: (query, embedding) => index.score(query, embedding),
      search: (namespace, vector, k, signal) => {
        this.asked += k;
        return index.search(namespace, vector, k, signal);
      },
    };
    this.#search = new VectorSearch({
      reader: { getSound: memories, getSoundCommitted: memories },
      vectorIndex: new StoreGate(counted as VectorIndex),
      ledger: { readSelected: async () => null, readPassing: async () => [] },
      indexes: { read: async () => NO_INDEXES, readNow: async () => NO_INDEXES } as unknown as KnownIndexes,
    });
  }

  /** Ids of the `k` nearest for which `passes` holds. */
  async find(
    vector: Float32Array,
    k: number,
    passes: (memoryId: string) => boolean,
    signal: AbortSignal,
  ): Promise<string[]> {
    const filter = ({ memoryId }: Memory): boolean => passes(memoryId);
    const scope = { namespace: "default", k, scoreMin: Number.NEGATIVE_INFINITY, condition: SOME, filter };
    return (await this.#search.search(scope, vector, signal)).map(({ memory }) => memory.memoryId);
  }
}
