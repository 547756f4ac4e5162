import type { Condition } from "../../domain/filter/filter.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { Memory } from "../../domain/memory.ts";
import type { OnBytes } from "../bounded-reads.ts";

/** A memory that a search found. */
export interface SearchResult<Metadata extends object = JsonObject> {
  readonly memory: Memory<Metadata>;
  /**
   * Higher is better. By vector: the cosine of the angle (-1 … 1), the inner product, or minus the Euclidean distance, as the
   * index's metric has it. By text: BM25 of the words, above 0. Hybrid: the fused ranks: weights of 1 give 1/61 … 2/61 to a first place.
   */
  readonly score: number;
  /** Of a hybrid search: what each ranking gave to the score; null: the ranking does not have the memory. */
  readonly parts?: Readonly<Record<Ranking, RankedPart | null>>;
}

/** The rankings that a hybrid search fuses. */
export type Ranking = "text" | "vector";

/** A memory's place in a ranking. */
export interface RankedPart {
  /** 1 is the best. */
  readonly rank: number;
  /** Of the ranking itself: as of a search in that mode. */
  readonly score: number;
  /** What the place adds to the fused score. */
  readonly share: number;
}

/** What a search goes by: the vectors' nearness, the words of the contents, or both. */
export const SEARCH_MODES = ["vector", "text", "hybrid"] as const;
export type SearchMode = (typeof SEARCH_MODES)[number];

/** How much a place in each ranking counts in a hybrid search: 0 … 1_000, not both 0. A ranking of weight 0 is not read. */
export interface HybridWeights {
  readonly vector: number;
  readonly text: number;
}

/** Which memories a search may show. */
export interface SearchScope {
  readonly namespace: string;
  /** Results at most. */
  readonly k: number;
  /** Results below are left out. */
  readonly scoreMin: number;
  /** Of the caller's filter, as far as it is data: what the ledger can judge. */
  readonly condition: Condition;
  /** All conditions of the caller, but for tests that only the ledger can judge. */
  readonly filter: (memory: Memory) => boolean;
  /** Told of the bytes of results that are held. */
  readonly onBytes?: OnBytes | undefined;
}
