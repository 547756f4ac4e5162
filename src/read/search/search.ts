import { fuseRankings } from "./reciprocal-rank.ts";
import type { HybridWeights, SearchResult, SearchScope } from "./search-result.ts";
import type { TextSearch } from "./text-search.ts";
import type { VectorSearch } from "./vector-search.ts";

/** Results of each ranking that are fused, at least: a memory that both have far behind may come first. */
const FUSED_MIN = 100;

/** Searches of one namespace, by vector, by words, or by both. */
export class Search {
  readonly #vectors: Pick<VectorSearch, "search">;
  readonly #texts: Pick<TextSearch, "search">;

  constructor(vectors: Pick<VectorSearch, "search">, texts: Pick<TextSearch, "search">) {
    this.#vectors = vectors;
    this.#texts = texts;
  }

  async byVector(scope: SearchScope, vector: Float32Array, signal: AbortSignal): Promise<SearchResult[]> {
    return await this.#vectors.search(scope, vector, signal);
  }

  async byText(scope: SearchScope, text: string, signal: AbortSignal): Promise<SearchResult[]> {
    return await this.#texts.search(scope, text, signal);
  }

  async hybrid(
    scope: SearchScope,
    { text, vector, weights }: { text: string; vector: Float32Array; weights: HybridWeights },
    signal: AbortSignal,
  ): Promise<SearchResult[]> {
    const each = { ...scope, k: Math.max(scope.k, FUSED_MIN), scoreMin: Number.NEGATIVE_INFINITY };
    const [byText, byVector] = await Promise.all([
      weights.text === 0 ? [] : this.byText(each, text, signal),
      weights.vector === 0 ? [] : this.byVector(each, vector, signal),
    ]);
    // Words first: of two first places, the one that has a word of the query wins over the one that is merely near.
    const rankings = [
      { name: "text", weight: weights.text, results: byText },
      { name: "vector", weight: weights.vector, results: byVector },
    ] as const;
    return fuseRankings(rankings, scope.k);
  }
}
