import { foreignReason } from "../domain/foreign.ts";
import type { MemoryChange } from "../domain/memory.ts";
import type { StoreIdentity, StoreScope } from "../domain/store-id.ts";

/** A part of a memory that a projection keeps. */
export type Holding = "documents" | "vectors";

/** The vectors that a projection accepts. An absent part is not checked. */
export interface VectorShape {
  /** Numbers per vector. */
  readonly dimension?: number;
  readonly metric?: "cosine" | "ip" | "l2";
  /** The only model whose vectors the store accepts; null or absent: any model. */
  readonly model?: string | null;
}

/** Capabilities of a projection. The rest of the program tests these, never the store's name. */
export interface ProjectionTraits {
  readonly scope: StoreScope;
  /**
   * The parts of a memory that the projection stores. A projection without `documents` has no entry for a memory without an
   * embedding, and gets such a change only if the memory had an embedding before. A projection without `vectors` drops
   * embeddings.
   */
  readonly holds: ReadonlySet<Holding>;
  /**
   * Whether it serves reads before the ledger: it is fast, shared, and returns documents and vectors exactly as published.
   * @default false
   */
  readonly cache?: boolean;
  /** The vectors that it accepts. Vectors of another shape are `foreign`; absent: it accepts any. */
  readonly vectorShape?: VectorShape;
}

/** Whether a projection keeps an entry for a live memory. */
export function keepsMemory({ holds }: ProjectionTraits, hasEmbedding: boolean): boolean {
  return holds.has("documents") || hasEmbedding;
}

/** Whether a damaged document of the ledger can be restored from the projection's copy. */
export function canRestoreDocument({ holds }: ProjectionTraits): boolean {
  return holds.has("documents");
}

/** The live memories for which a projection keeps entries, as the ledger's digests count them. */
export function digestedBy({ holds }: ProjectionTraits): "all" | "with_embedding" {
  return holds.has("documents") ? "all" : "with_embedding";
}

/** The identity under which the ledger keeps a projection's backlog. */
export function identityOf(projection: { readonly id: string; readonly traits: ProjectionTraits }): StoreIdentity {
  return { id: projection.id, scope: projection.traits.scope };
}

/** The expected content of a projection after a change; null when it keeps no entry and needs no tombstone. */
export function wantedChange(traits: ProjectionTraits, change: MemoryChange): MemoryChange | null {
  if (change.kind === "tombstone") return change;
  return keepsMemory(traits, change.embedding !== null) ? change : null;
}

/** Why the vector of a change is foreign to a projection; null when it fits or the projection accepts any. */
export function foreignTo({ vectorShape }: ProjectionTraits, change: MemoryChange | undefined): string | null {
  return vectorShape === undefined || change?.kind !== "put" ? null : foreignReason(vectorShape, change);
}

/**
 * The change without a foreign vector, so that the projection accepts it. One foreign vector then does not block its batch,
 * and a check finds the memory.
 */
export function withoutForeignVector<Change extends MemoryChange>(traits: ProjectionTraits, change: Change): Change {
  return foreignTo(traits, change) === null ? change : { ...change, embedding: null };
}
