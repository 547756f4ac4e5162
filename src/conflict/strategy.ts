import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryDocument } from "../domain/memory.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { VersionVector } from "../domain/version-vector.ts";

/** Where a side of a conflict comes from: a store, or `import` for an export that is being imported. */
export type CandidateSource = StoreId;

/** The whole content of a memory in conflict in one store. A store that keeps vectors only is no candidate. */
export interface Candidate {
  /** The store that holds it; `postgres` is the ledger, `import` a record of an export. */
  readonly store: CandidateSource;
  readonly version: number;
  /** Milliseconds since 1970; null where the store does not keep it. */
  readonly modifiedAt: number | null;
  /** Null where the store does not keep it, or keeps none that can be read. */
  readonly versionVector: VersionVector | null;
  /** Null: this side says that the memory is deleted. */
  readonly document: MemoryDocument | null;
  /**
   * Null: this side has none. Strategies take null for "removed", so the side of a store that leaves embeddings out is
   * completed from the ledger, or is no candidate.
   */
  readonly embedding: Float32Array | null;
}

/** The version that all sides descend from. */
export interface ConflictBase {
  readonly version: number;
  /** Null: it was deleted at that version. */
  readonly document: MemoryDocument | null;
  readonly embedding: Float32Array | null;
}

/** Two or more stores hold different contents of a memory, and none of them is merely behind. */
export interface Conflict extends MemoryKey {
  /** `ahead`, `diverged`: the ledger has another content. `orphan`: the ledger does not know the memory. */
  readonly kind: "ahead" | "diverged" | "orphan";
  /** The newest version in the history that all candidates go back to; null where none is known. */
  readonly base: ConflictBase | null;
  /** At least one, and at most one per store. */
  readonly candidates: readonly Candidate[];
  /** Which source goes first where nothing else decides: the ledger, the stores as they were registered, `import`. */
  readonly precedence: readonly CandidateSource[];
}

/**
 * How a conflict ends. A losing content stays readable in `conflict_resolutions`.
 * - `choose`: that store's candidate wins and is written to all stores.
 * - `write`: a new content wins, e.g. a merged one. It is checked like any memory that is written.
 * - `remove`: no content is kept; only for a memory that the ledger does not know.
 * - `pending`: nothing is changed; the conflict awaits a decision.
 */
export type Resolution =
  | { readonly action: "choose"; readonly store: CandidateSource; readonly note?: string | undefined }
  | {
      readonly action: "write";
      readonly document: MemoryDocument;
      readonly embedding: Float32Array | null;
      readonly note?: string | undefined | undefined;
    }
  | { readonly action: "remove"; readonly note?: string | undefined }
  | { readonly action: "pending"; readonly note?: string | undefined };

/**
 * Decides conflicts. It receives a frozen copy; embeddings cannot be frozen, and are copied. A strategy that throws,
 * returns no resolution, or exceeds its time limit leaves the conflict pending, with the reason as its note.
 */
export interface ConflictStrategy {
  /** `[a-z][a-z0-9_]{0,63}`; logged with every resolution. */
  readonly name: string;
  /** @param signal fires at the deadline, or when the caller aborts: the answer is then ignored. */
  resolve(conflict: Conflict, signal: AbortSignal): Resolution | Promise<Resolution>;
}
