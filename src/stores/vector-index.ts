import type { Projection } from "./projection.ts";

/** A live vector near a query. */
export interface VectorHit {
  readonly memoryId: string;
  readonly version: number;
  readonly checksum: string;
  /** Higher is nearer, whatever the metric. */
  readonly score: number;
}

/** A projection that can be searched, by namespace. */
export interface VectorIndex extends Projection {
  /** Numbers per vector. */
  readonly dimension?: number;
  /** The model whose vectors it holds; null when models are not told apart. */
  readonly model?: string | null;
  /** Milliseconds by which it may be behind the ledger; null when that is not known. */
  readonly lagMs?: number | null;
  /**
   * The `k` live vectors of a namespace that are nearest to `vector`, nearest first; fewer only when fewer exist.
   * @throws {StoreUnavailableError}
   */
  search(namespace: string, vector: Float32Array, k: number, signal: AbortSignal): Promise<readonly VectorHit[]>;
  /** The score that a vector with `embedding` would have for a query. */
  score?(query: Float32Array, embedding: Float32Array): number;
  /** Vectors by namespace, for metrics; null while the index cannot be asked. Never rejects. */
  statistics?(signal: AbortSignal): Promise<{
    readonly host: {
      readonly namespaces: readonly { namespace: string; live: number; dead: number; tombstones: number }[];
    } | null;
  }>;
  /** Takes over from the ledger's feed what other nodes wrote. */
  catchUp?(signal: AbortSignal): Promise<unknown>;
  /** Makes what it holds survive a restart, and ends. */
  close(): Promise<void>;
}
