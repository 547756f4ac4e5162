/**
 * Turns texts into vectors. Two texts that mean (or, for `HashingEmbedder`, say) much the same get vectors with a high
 * cosine. An index holds the vectors of one `model` only: vectors of two models cannot be compared.
 */
export interface Embedder {
  /** Stored with every memory as `embeddingModel`. Another name means that the vectors are not comparable. */
  readonly model: string;
  /** Components of every vector. */
  readonly dimension: number;
  /**
   * How much a place by these vectors counts in a hybrid search, where a place by words counts 1, unless the search says
   * otherwise: 0 … 1_000. Less than 1 where likeness of vectors is likeness of words, which the words tell better. @default 1
   */
  readonly hybridWeight?: number;
  /**
   * One vector a text, in the order of `texts`, each of `dimension` finite components. All or nothing: it rejects when
   * a single text fails. Without texts it resolves to `[]` at once. The caller owns the vectors:
   * they are never written to again.
   * @throws {EmbeddingError} A text could not be embedded; `retryable` tells whether the same call may succeed later.
   * @throws {AbortedError} `signal` fired first. Nothing of the call is running any more.
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]>;
}
