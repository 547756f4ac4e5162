/** One result of a search. */
export interface SearchHit {
  readonly memoryId: string;
  readonly version: number;
  readonly checksum: string;
  /** Higher is nearer: cosine similarity in [-1, 1], the dot product, or minus the Euclidean distance, by metric. */
  readonly score: number;
}
