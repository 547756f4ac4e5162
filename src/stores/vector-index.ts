import type { Projection } from "./projection.ts";

/** A live vector near a query. */
export interface VectorHit {
  readonly memoryId: string;
  readonly version: number;
  readonly checksum: string;
  /** Higher is nearer, whatever the metric. */
  readonly score: number;
}

/** Number of vectors of one namespace, counted by the index. */
export interface NamespaceVectors {
  readonly namespace: string;
  readonly live: number;
  readonly dead: number;
  readonly tombstones: number;
}

/** A searchable projection. A search covers one namespace. */
export interface VectorIndex extends Projection {
  /**
   * The `k` live vectors of a namespace that are nearest to `vector`, nearest first; fewer only when fewer exist.
   * @throws {StoreUnavailableError}
   */
  search(namespace: string, vector: Float32Array, k: number, signal: AbortSignal): Promise<readonly VectorHit[]>;
  /** The score of a vector with `embedding` for a query. */
  score?(query: Float32Array, embedding: Float32Array): number;
  /** Vectors by namespace, for metrics; null while the index is unavailable. Never rejects. */
  statistics?(
    signal: AbortSignal,
  ): Promise<{ readonly host: { readonly namespaces: readonly NamespaceVectors[] } | null }>;
}

/** Whether a projection is searchable. */
export function isVectorIndex(projection: Projection): projection is VectorIndex {
  return typeof (projection as Partial<VectorIndex>).search === "function";
}
