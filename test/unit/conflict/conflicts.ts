import type { Candidate, Conflict, ConflictBase } from "../../../src/conflict/strategy.ts";
import type { MemoryDocument } from "../../../src/domain/memory.ts";
import type { StoreId } from "../../../src/domain/store-id.ts";

/** The ledger, two stores in the order of their registration, an import. */
export const SOURCES: readonly StoreId[] = ["postgres", "redis", "faiss", "import"];

export function document(fields: Partial<MemoryDocument> = {}): MemoryDocument {
  return { content: "base", memoryType: "episodic", importance: 0.5, metadata: {}, privacy: "full", ...fields };
}

/** A live candidate at version 4, modified at 1,000, unless `fields` say otherwise. */
export function candidate(store: StoreId, fields: Partial<Candidate> = {}): Candidate {
  return {
    store,
    version: 4,
    modifiedAt: 1_000,
    versionVector: null,
    document: document(),
    embedding: null,
    ...fields,
  };
}

export function tombstone(store: StoreId, fields: Partial<Candidate> = {}): Candidate {
  return candidate(store, { ...fields, document: null });
}

export function base(fields: Partial<MemoryDocument> = {}, embedding: Float32Array | null = null): ConflictBase {
  return { version: 3, document: document(fields), embedding };
}

export function conflict(candidates: readonly Candidate[], fields: Partial<Conflict> = {}): Conflict {
  return {
    namespace: "default",
    memoryId: "m",
    kind: "diverged",
    base: null,
    precedence: SOURCES,
    ...fields,
    candidates,
  };
}

export const floats = (...values: number[]): Float32Array => Float32Array.from(values);
