import type { Projection } from "./projection.ts";

/** A live vector near a query. */
export interface VectorHit {
  readonly memoryId: string;
  readonly version: number;
  readonly checksum: string;
  /** Higher is nearer, whatever the metric. */
  readonly score: number;
}

/** Vectors of one namespace, by the index's own count. */
export interface NamespaceVectors {
  readonly namespace: string;
  readonly live: number;
  readonly dead: number;
  readonly tombstones: number;
}

/** A projection that can be searched, by namespace. */
export interface VectorIndex extends Projection {
  /**
   * The `k` live vectors of a namespace that are nearest to `vector`, nearest first; fewer only when fewer exist.
   * @throws {StoreUnavailableError}
   */
  search(namespace: string, vector: Float32Array, k: number, signal: AbortSignal): Promise<readonly VectorHit[]>;
  /** The score that a vector with `embedding` would have for a query. */
  score?(query: Float32Array, embedding: Float32Array): number;
  /** Vectors by namespace, for metrics; null while the index cannot be asked. Never rejects. */
  statistics?(
    signal: AbortSignal,
  ): Promise<{ readonly host: { readonly namespaces: readonly NamespaceVectors[] } | null }>;
}

/** Whether a projection can be searched. */
export function isVectorIndex(projection: Projection): projection is VectorIndex {
  return typeof (projection as Partial<VectorIndex>).search === "function";
}
