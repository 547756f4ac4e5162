import { embeddingFromBytes } from "../../domain/checksum.ts";
import { ConfigurationError } from "../../domain/errors.ts";
import { asksFor, type Condition, isUnconditional } from "../../domain/filter/filter.ts";
import { foreignReason } from "../../domain/foreign.ts";
import { compareUtf8 } from "../../domain/keys.ts";
import type { Memory } from "../../domain/memory.ts";
import type { FindLedger } from "../../ledger/find-ledger.ts";
import type { VectorHit, VectorIndex } from "../../stores/vector-index.ts";
import type { StoreGate } from "../../write/store-gate.ts";
import { heldBytes, nextSize } from "../bounded-reads.ts";
import type { Reader } from "../reader.ts";
import type { KnownIndexes } from "./known-indexes.ts";
import type { SearchResult, SearchScope } from "./search-result.ts";

/** With a filter the index is asked for more at once: the search of a large index costs the same for a few hits more. */
const FILTERED_FACTOR = 16;
/** Hits that the index is asked for at most, however many of them a filter refuses. */
const HITS_MAX = 100_000;
/** Memories that are read first, to apply the filter; then as many as their sizes allow, since a thousand contents may be a gibibyte. */
const READ_FIRST = 32;

export interface VectorSearchParts {
  readonly reader: Pick<Reader, "getSound" | "getSoundCommitted">;
  readonly vectorIndex: StoreGate<VectorIndex> | null;
  readonly ledger: Pick<FindLedger, "readSelected" | "readPassing">;
  readonly indexes: KnownIndexes;
  /** @throws {StoreUnavailableError} The index does not hold all vectors of the namespace yet. @default it always does */
  readonly assertComplete?: ((namespace: string) => Promise<void>) | undefined;
}

/** Searches by vector: the index names the nearest memories, which are then read and judged as they are now. */
export class VectorSearch {
  readonly #parts: VectorSearchParts;

  constructor(parts: VectorSearchParts) {
    this.#parts = parts;
  }

  /**
   * The `k` memories of a namespace whose vectors are nearest. Fewer only when fewer exist, or fewer among the nearest
   * 100,000 pass the filter.
   *
   * Where an index of the ledger leads to few memories that can pass (4,000 at most), the filter goes first: their vectors are
   * read and compared, which is exact, and cheaper than the search of a large index. Where the filter lets more pass, or no index
   * helps, it goes after: the index is asked for its nearest, then for more, until k pass. With more than 4,000 of n memories
   * passing, some k * n / 4,000 hits suffice unless the filter shuns the query's neighbourhood.
   */
  async search(scope: SearchScope, vector: Float32Array, signal: AbortSignal): Promise<SearchResult[]> {
    const gate = this.#parts.vectorIndex;
    if (gate === null)
      throw new ConfigurationError("search needs a vector index, and no registered store is one: set faiss.directory");
    if (!gate.allows()) throw gate.refusal();
    await this.#parts.assertComplete?.(scope.namespace);
    const { namespace, k, scoreMin, condition } = scope;
    const selected = await this.#selected(namespace, vector, condition, gate.target, signal);
    const judged = new JudgedHits();
    if (selected !== null) return await this.#best(scope, vector, selected, judged, signal);
    const first = isUnconditional(condition) ? k : Math.min(k * FILTERED_FACTOR, HITS_MAX);
    for (let wanted = first; ; wanted = Math.min(wanted * 4, HITS_MAX)) {
      const hits = await gate.target.search(namespace, vector, wanted, signal);
      const results = await this.#best(scope, vector, hits, judged, signal);
      const isEnd = hits.length < wanted || (hits.at(-1)?.score ?? scoreMin) < scoreMin || wanted === HITS_MAX;
      if (results.length >= k || isEnd) return results;
    }
  }

  /** The memories that a selective filter lets pass, nearest first; null where the filter has to go after. */
  async #selected(
    namespace: string,
    query: Float32Array,
    condition: Condition,
    index: VectorIndex,
    signal: AbortSignal,
  ): Promise<VectorHit[] | null> {
    const { score, traits } = index;
    if (score === undefined || isUnconditional(condition)) return null;
    const { hasFields } = await this.#parts.indexes.read(signal);
    const rows = await this.#parts.ledger.readSelected({ namespace, condition, hasFieldIndex: hasFields }, signal);
    if (rows === null) return null;
    const { model } = traits.vectorShape ?? {};
    const hits: VectorHit[] = [];
    for (const { memoryId, version, checksum, embeddingModel, embedding: bytes } of rows) {
      const embedding = embeddingFromBytes(bytes);
      // A vector of another model or dimension has no nearness. The index may have one of the memory that it had before.
      if (foreignReason({ model, dimension: query.length }, { embedding, embeddingModel }) !== null) return null;
      hits.push({ memoryId, version, checksum, score: score.call(index, query, embedding) });
    }
    return hits.sort((a, b) => b.score - a.score || compareUtf8(a.memoryId, b.memoryId));
  }

  /** The first `k` of the hits that may be shown, best first. */
  async #best(
    scope: SearchScope,
    vector: Float32Array,
    hits: readonly VectorHit[],
    judged: JudgedHits,
    signal: AbortSignal,
  ): Promise<SearchResult[]> {
    const { k, scoreMin } = scope;
    const near = scoreMin === Number.NEGATIVE_INFINITY ? hits : hits.filter((hit) => hit.score >= scoreMin);
    const results: SearchResult[] = [];
    let size = READ_FIRST;
    for (let start = 0; start < near.length && results.length < k; ) {
      const page = start === 0 && near.length <= size ? near : near.slice(start, start + size);
      start += page.length;
      const fresh = judged.isEmpty ? page : page.filter((hit) => judged.of(hit) === undefined);
      const { found, bytes } = await this.#judge(scope, vector, fresh, signal);
      size = nextSize(fresh.length, bytes);
      judged.note(fresh, found);
      for (const [at, hit] of page.entries()) {
        const result = (fresh === page ? found[at] : judged.of(hit)) ?? null;
        if (result !== null) results.push(result);
      }
    }
    // The index answers in this order already; a score by the vector of now may be another one.
    if (!isBestFirst(results)) results.sort((a, b) => b.score - a.score);
    return results.length > k ? results.slice(0, k) : results;
  }

  /**
   * Judges hits.
   * @returns for each hit a result, or null for a memory that must not be shown; and the bytes of the memories that were read.
   */
  async #judge(
    { namespace, scoreMin, filter, condition, onBytes }: SearchScope,
    query: Float32Array,
    hits: readonly VectorHit[],
    signal: AbortSignal,
  ): Promise<{ found: readonly (SearchResult | null)[]; bytes: number }> {
    const keys = hits.map((hit) => ({ namespace, memoryId: hit.memoryId }));
    let [bytes, held] = [0, 0];
    const onRead = (read: number): void => {
      bytes += read;
    };
    const reading = this.#parts.reader.getSound(keys, signal, onRead);
    const isLedgers = asksFor(condition, "createdAt") && hits.length > 0;
    const [memories, allowed] = isLedgers
      ? await Promise.all([reading, this.#allowedByLedger(namespace, hits, condition, signal)])
      : [await reading, null];
    const behind = await this.#refreshOlder(namespace, hits, memories, signal);
    const found = hits.map((hit, position) => {
      const newer = behind?.get(hit.memoryId);
      const memory = newer !== undefined ? newer : (memories[position] ?? null);
      const score = memory === null ? null : this.#scoreNow(query, hit, memory);
      const passes = memory !== null && score !== null && score >= scoreMin && filter(memory);
      if (!passes || allowed?.has(hit.memoryId) === false) return null;
      if (onBytes !== undefined) held += heldBytes(memory, memory.embedding);
      return { memory, score };
    });
    onBytes?.(held);
    return { found, bytes };
  }

  /** Of the hits, those that pass a condition which only the ledger can judge. */
  async #allowedByLedger(
    namespace: string,
    hits: readonly VectorHit[],
    condition: Condition,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const ids = hits.map(({ memoryId }) => memoryId);
    return new Set(await this.#parts.ledger.readPassing(namespace, ids, condition, signal));
  }

  /** The score by the vector that the memory has now: the index may be behind for a moment. */
  #scoreNow(query: Float32Array, hit: VectorHit, memory: Memory): number | null {
    // The checksum too: after the ledger lost transactions, an index may hold another content under the same version.
    if (memory.version === hit.version && memory.checksum === hit.checksum) return hit.score;
    if (memory.embedding === null) return null;
    const { embedding, embeddingModel } = memory;
    const { vectorShape = {} } = this.#parts.vectorIndex?.target.traits ?? {};
    // Embedded anew by another model, for another index: this one ranks it by the vector that it had. The two are not compared.
    if (foreignReason(vectorShape, { embedding, embeddingModel: embeddingModel ?? null }) !== null) return hit.score;
    return this.#parts.vectorIndex?.target.score?.(query, memory.embedding) ?? hit.score;
  }

  /** Reads memories from the ledger that the cache holds at an older version: it may be behind the index for a moment. Null: there are none. */
  async #refreshOlder(
    namespace: string,
    hits: readonly VectorHit[],
    memories: readonly (Memory | null)[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Memory | null> | null> {
    const older = hits.filter((hit, position) => (memories[position]?.version ?? hit.version) < hit.version);
    if (older.length === 0) return null;
    const keys = older.map((hit) => ({ namespace, memoryId: hit.memoryId }));
    const committed = await this.#parts.reader.getSoundCommitted(keys, signal);
    return new Map(keys.map(({ memoryId }, at) => [memoryId, committed[at] ?? null]));
  }
}

function isBestFirst(results: readonly SearchResult[]): boolean {
  for (let at = 1; at < results.length; at++) {
    if ((results[at - 1] as SearchResult).score < (results[at] as SearchResult).score) return false;
  }
  return true;
}

/** What was judged in the course of one search. Most searches judge hits once and ask for none of them again: the map is made when one is asked for. */
class JudgedHits {
  readonly #noted: { readonly hits: readonly VectorHit[]; readonly found: readonly (SearchResult | null)[] }[] = [];
  readonly #results = new Map<string, SearchResult | null>();

  get isEmpty(): boolean {
    return this.#noted.length === 0 && this.#results.size === 0;
  }

  note(hits: readonly VectorHit[], found: readonly (SearchResult | null)[]): void {
    this.#noted.push({ hits, found });
  }

  /** Undefined: not judged. */
  of(hit: VectorHit): SearchResult | null | undefined {
    for (const { hits, found } of this.#noted.splice(0)) {
      for (const [at, judged] of hits.entries()) this.#results.set(hitText(judged), found[at] ?? null);
    }
    return this.#results.get(hitText(hit));
  }
}

/** One string per vector that the index may hold. */
function hitText({ memoryId, version }: VectorHit): string {
  return `${version}/${memoryId}`;
}
