import { ConfigurationError } from "../../domain/errors.ts";
import type { Memory } from "../../domain/memory.ts";
import type { VectorHit, VectorIndex } from "../../stores/vector-index.ts";
import type { StoreGate } from "../../write/store-gate.ts";
import type { Reader } from "../reader.ts";
import type { SearchResult, SearchScope } from "./search-result.ts";

/** Hits that the index is asked for at most, however many of them a filter refuses. */
const HITS_MAX = 100_000;
/** Memories that are read at a time, to apply the filter. */
const READ_MAX = 1_000;

export interface VectorSearchParts {
  readonly reader: Pick<Reader, "getSound" | "getSoundCommitted">;
  readonly vectorIndex: StoreGate<VectorIndex> | null;
}

/** Searches by vector: the index names the nearest memories, which are then read and judged as they are now. */
export class VectorSearch {
  readonly #parts: VectorSearchParts;

  constructor(parts: VectorSearchParts) {
    this.#parts = parts;
  }

  /**
   * The `k` memories of a namespace whose vectors are nearest. Fewer only when fewer exist, or fewer among the nearest
   * 100,000 pass the filter. To replace results that are deleted, expired or refused by `filter`, the index is asked for
   * more.
   */
  async search(scope: SearchScope, vector: Float32Array, signal: AbortSignal): Promise<SearchResult[]> {
    const gate = this.#parts.vectorIndex;
    if (gate === null)
      throw new ConfigurationError("search needs a vector index, and no registered store is one: set faiss.directory");
    if (!gate.allows()) throw gate.refusal();
    const { namespace, k, scoreMin } = scope;
    const judged = new Map<string, SearchResult | null>();
    for (let wanted = k; ; wanted = Math.min(wanted * 4, HITS_MAX)) {
      const hits = await gate.target.search(namespace, vector, wanted, signal);
      const near = hits.filter((hit) => hit.score >= scoreMin);
      const results: SearchResult[] = [];
      for (let start = 0; start < near.length && results.length < k; start += READ_MAX) {
        const page = near.slice(start, start + READ_MAX);
        const fresh = page.filter((hit) => !judged.has(hitText(hit)));
        await this.#judge(scope, vector, fresh, judged, signal);
        for (const hit of page) {
          const result = judged.get(hitText(hit)) ?? null;
          if (result !== null) results.push(result);
        }
      }
      const exhausted = hits.length < wanted || near.length < hits.length || wanted === HITS_MAX;
      if (results.length >= k || exhausted) return results.sort((a, b) => b.score - a.score).slice(0, k);
    }
  }

  /** Judges hits: a result, or null for a memory that must not be shown. */
  async #judge(
    { namespace, scoreMin, filter }: SearchScope,
    query: Float32Array,
    hits: readonly VectorHit[],
    judged: Map<string, SearchResult | null>,
    signal: AbortSignal,
  ): Promise<void> {
    const keys = hits.map((hit) => ({ namespace, memoryId: hit.memoryId }));
    const memories = await this.#parts.reader.getSound(keys, signal);
    const behind = await this.#refreshOlder(namespace, hits, memories, signal);
    for (const [position, hit] of hits.entries()) {
      const memory = behind.has(hit.memoryId) ? (behind.get(hit.memoryId) ?? null) : (memories[position] ?? null);
      const score = memory === null ? null : this.#scoreNow(query, hit, memory);
      const passes = memory !== null && score !== null && score >= scoreMin && filter(memory);
      judged.set(hitText(hit), passes ? { memory, score } : null);
    }
  }

  /** The score by the vector that the memory has now: the index may be behind for a moment. */
  #scoreNow(query: Float32Array, hit: VectorHit, memory: Memory): number | null {
    // The checksum too: after the ledger lost transactions, an index may hold another content under the same version.
    if (memory.version === hit.version && memory.checksum === hit.checksum) return hit.score;
    if (memory.embedding === null) return null;
    return this.#parts.vectorIndex?.target.score?.(query, memory.embedding) ?? hit.score;
  }

  /** Reads memories from the ledger that the cache holds at an older version: it may be behind the index for a moment. */
  async #refreshOlder(
    namespace: string,
    hits: readonly VectorHit[],
    memories: readonly (Memory | null)[],
    signal: AbortSignal,
  ): Promise<Map<string, Memory | null>> {
    const older = hits.filter((hit, position) => (memories[position]?.version ?? hit.version) < hit.version);
    if (older.length === 0) return new Map();
    const keys = older.map((hit) => ({ namespace, memoryId: hit.memoryId }));
    const committed = await this.#parts.reader.getSoundCommitted(keys, signal);
    return new Map(keys.map(({ memoryId }, at) => [memoryId, committed[at] ?? null]));
  }
}

/** One string per vector that the index may hold. */
function hitText({ memoryId, version }: VectorHit): string {
  return `${version}/${memoryId}`;
}
