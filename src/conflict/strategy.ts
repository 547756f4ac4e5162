import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryDocument } from "../domain/memory.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { VersionVector } from "../domain/version-vector.ts";

/** Who holds a side of a conflict: a store, or a backup that is being imported. */
export type CandidateSource = StoreId | "import";

/** What one store holds of a memory in conflict, whole: a store that keeps vectors only is no candidate. */
export interface Candidate {
  /** Who holds it; `postgres` is the ledger, `import` a record of a backup. */
  readonly store: CandidateSource;
  readonly version: number;
  /** Milliseconds since 1970; null where the store does not keep it. */
  readonly modifiedAt: number | null;
  /** Null where the store does not keep it, or keeps none that can be read. */
  readonly versionVector: VersionVector | null;
  /** Null: this side says that the memory is deleted. */
  readonly document: MemoryDocument | null;
  /**
   * Null: this side has none. Where a store is set up to leave embeddings out, whoever builds the conflict completes the
   * side or leaves it out: strategies take null for "removed".
   */
  readonly embedding: Float32Array | null;
}

/** What both sides came from. */
export interface ConflictBase {
  readonly version: number;
  /** Null: it was deleted at that version. */
  readonly document: MemoryDocument | null;
  readonly embedding: Float32Array | null;
}

/** Two or more stores hold different contents of a memory, and neither is merely late. */
export interface Conflict extends MemoryKey {
  /** `ahead`, `diverged`: the ledger has another content. `orphan`: the ledger does not know the memory. */
  readonly kind: "ahead" | "diverged" | "orphan";
  /** The newest version in the history that all candidates go back to; null where none is known. */
  readonly base: ConflictBase | null;
  /** At least one, and at most one per store; the ledger's comes first where it knows the memory. */
  readonly candidates: readonly Candidate[];
}

/**
 * How a conflict ends. Whatever loses stays readable in `conflict_resolutions`.
 * - `choose`: that store's candidate wins and is written to all stores.
 * - `write`: a new content wins, e.g. a merged one. It is checked like any memory that is written.
 * - `remove`: nobody's content is kept; only for a memory that the ledger does not know.
 * - `pending`: nothing is changed until somebody decides.
 */
export type Resolution =
  | { readonly action: "choose"; readonly store: CandidateSource; readonly note?: string }
  | {
      readonly action: "write";
      readonly document: MemoryDocument;
      readonly embedding: Float32Array | null;
      readonly note?: string;
    }
  | { readonly action: "remove"; readonly note?: string }
  | { readonly action: "pending"; readonly note?: string };

/**
 * Decides conflicts. What it is given is a frozen copy (its embeddings, which cannot be frozen, a copy). One that throws,
 * answers no resolution, or takes too long leaves the conflict pending, with the reason as its note.
 */
export interface ConflictStrategy {
  /** `[a-z][a-z0-9_]{0,63}`; logged with every resolution. */
  readonly name: string;
  /** @param signal fires when time is up or the caller gave up: the answer is not waited for any longer. */
  resolve(conflict: Conflict, signal: AbortSignal): Resolution | Promise<Resolution>;
}
