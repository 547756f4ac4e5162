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
  /** The one model whose vectors it holds; null or absent: it doesn't tell models apart. */
  readonly model?: string | null;
}

/** What the rest of the program needs to know of a projection, in place of its name. */
export interface ProjectionTraits {
  readonly scope: StoreScope;
  /**
   * What it keeps of a memory. A projection without `documents` has no entry for a memory without an embedding, and hears
   * of it only when the memory had one before. One without `vectors` leaves embeddings out.
   */
  readonly holds: ReadonlySet<Holding>;
  /**
   * Whether reads ask it before the ledger: it is fast, shared, and gives documents and vectors back as they were
   * published. @default false
   */
  readonly cache?: boolean;
  /** The vectors that it can be published. Vectors of another shape are `foreign`; absent: it takes any. */
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

/** The live memories that a projection keeps entries for, as the ledger's digests count them. */
export function digestedBy({ holds }: ProjectionTraits): "all" | "with_embedding" {
  return holds.has("documents") ? "all" : "with_embedding";
}

/** The identity under which the ledger keeps a projection's backlog. */
export function identityOf(projection: { readonly id: string; readonly traits: ProjectionTraits }): StoreIdentity {
  return { id: projection.id, scope: projection.traits.scope };
}

/** What a projection should hold for a change: null where it keeps no entry and needs no trace of the version. */
export function wantedChange(traits: ProjectionTraits, change: MemoryChange): MemoryChange | null {
  if (change.kind === "tombstone") return change;
  return keepsMemory(traits, change.embedding !== null) ? change : null;
}

/** Why a projection can't hold the vector of a change, or must not; null when it fits, or the projection takes any. */
export function foreignTo({ vectorShape }: ProjectionTraits, change: MemoryChange | undefined): string | null {
  return vectorShape === undefined || change?.kind !== "put" ? null : foreignReason(vectorShape, change);
}

/**
 * A change as the projection can take it: without its vector where that is foreign. So one vector keeps no others out, and
 * a check finds the memory.
 */
export function withoutForeignVector<Change extends MemoryChange>(traits: ProjectionTraits, change: Change): Change {
  return foreignTo(traits, change) === null ? change : { ...change, embedding: null };
}
