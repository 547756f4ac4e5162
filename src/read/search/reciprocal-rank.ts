import type { RankedPart, Ranking, SearchResult } from "./search-result.ts";

/** Cormack, Clarke and Büttcher 2009: how much the first places count over the later ones. */
const RANK_CONSTANT = 60;

/** A ranking, best first, and how much its places count. */
export interface WeightedRanking {
  readonly name: Ranking;
  readonly weight: number;
  readonly results: readonly SearchResult[];
}

/**
 * Fuses rankings: the score of a memory is the sum of weight / (60 + its rank) over the rankings that have it, ranks from 1 on. It
 * needs no comparable scores, and none are: a cosine and a sum over words have no common scale. Of equal scores the one that an
 * earlier ranking has, or has further ahead, comes first.
 */
export function fuseRankings(rankings: readonly WeightedRanking[], k: number): SearchResult[] {
  const fused = new Map<string, { result: SearchResult; score: number; parts: Record<Ranking, RankedPart | null> }>();
  for (const { name, weight, results } of rankings) {
    for (const [at, result] of results.entries()) {
      const { memoryId } = result.memory;
      const rank = at + 1;
      const share = weight / (RANK_CONSTANT + rank);
      const known = fused.get(memoryId);
      // Each ranking read the memory at its own time: the newest version is shown.
      const newest = known === undefined || result.memory.version > known.result.memory.version ? result : known.result;
      const parts = { text: null, vector: null, ...known?.parts, [name]: { rank, score: result.score, share } };
      fused.set(memoryId, { result: newest, score: (known?.score ?? 0) + share, parts });
    }
  }
  return [...fused.values()]
    .sort((a, b) => b.score - a.score)
    .slice(0, k)
    .map(({ result: { memory }, score, parts }) => ({ memory, score, parts }));
}
