import { type Ending, isStronger } from "../domain/ending.ts";
import type { MnemosyncError } from "../domain/errors.ts";
import { bucketOf, keyText, type MemoryKey } from "../domain/keys.ts";
import { type EncodedMemory, type MemoryChange, putChange } from "../domain/memory.ts";
import { firstVector, increment, joinVectors, nextVersion, type VersionVector } from "../domain/version-vector.ts";
import type { LockedVersion, VersionWrite } from "../ledger/write-statements.ts";
import { keepsMemory, type ProjectionTraits } from "../stores/traits.ts";
import type { ChangeOrigin } from "./change-origin.ts";

/** A requested write of one memory. */
export interface WriteIntent {
  readonly key: MemoryKey;
  /** Null deletes. */
  readonly memory: EncodedMemory | null;
  /** Why a delete ends the memory. @default "deleted" */
  readonly ending?: Ending;
  /** Replaces the ending of an erased memory by a deletion: then its id may be written again. */
  readonly revives?: boolean;
  /** The version that the memory must be at; 0: it must not exist, or be deleted. Null: whatever it is at. */
  readonly expectedVersion: number | null;
  /** Milliseconds since 1970, of an imported or offline change; null: the ledger's clock. */
  readonly modifiedAt: number | null;
  /**
   * The checksum of the memory as its caller gave it. Present when the write has an idempotency key and an embedder added
   * the vector.
   */
  readonly requestedChecksum?: string;
  /** Version vector of another content that this one replaces: the new version counts as its successor. */
  readonly includes?: VersionVector;
  /**
   * Of an import: a memory without a row starts at this version and version vector. A memory with a row is not written; it
   * is a conflict unless its content is equal.
   */
  readonly imported?: { readonly version: number; readonly versionVector: VersionVector };
  /** Of a change that a device pushed. */
  readonly origin?: ChangeOrigin;
}

/** The decision on one intent, made while its row is locked. */
export type Decision =
  | { readonly action: "write"; readonly write: VersionWrite; readonly change: MemoryChange; readonly vectors: boolean }
  | {
      readonly action: "unchanged";
      readonly version: number;
      readonly checksum: string | null;
      /** Whether the memory has an embedding. */
      readonly vectors: boolean;
    }
  | { readonly action: "conflict"; readonly version: number; readonly checksum: string | null }
  /** The memory was erased: only `revives` makes its id usable again. */
  | { readonly action: "erased"; readonly version: number; readonly checksum: null }
  /** An earlier transaction applied the pushed change, and gave the memory this version. */
  | { readonly action: "repeated"; readonly version: number; readonly checksum: null }
  /** The pushed change must not be applied. */
  | { readonly action: "refused"; readonly version: number; readonly checksum: null; readonly error: MnemosyncError };

/** A decision by the memory's row alone, whatever the origin of the change. */
export type RowDecision = Exclude<Decision, { readonly action: "repeated" | "refused" }>;

export type WriteDecision = Extract<Decision, { action: "write" }>;

export function isWrite(decision: Decision): decision is WriteDecision {
  return decision.action === "write";
}

/** Whether the ledger's row keeps the intent from being written: it fails an atomic chunk as a whole. */
export function isRefused({ action }: Decision): boolean {
  return action === "conflict" || action === "erased";
}

/** The changes of a chunk that a store must hear of: one of vectors alone, only those that have or had an embedding. */
export function changesFor(store: { readonly traits: ProjectionTraits }, writing: readonly WriteDecision[]) {
  const concerned = writing.filter((decision) => keepsMemory(store.traits, decision.vectors));
  return concerned.map((decision) => decision.change);
}

/** Whether an intent leaves a memory as it is, except for an import. */
function changesNothing(intent: WriteIntent, locked: LockedVersion | undefined, endsUnknown: boolean): boolean {
  const { memory, ending = "deleted" } = intent;
  if ((locked?.checksum ?? null) !== (memory?.checksum ?? null)) return false;
  if (memory !== null) return true;
  if (intent.revives === true) return locked?.endedBy !== "erased";
  // A delete does not distinguish a deleted memory from an unknown one. An erasure does, and a withdrawal: the tombstone keeps
  // the content from coming back, by a change that is still on its way too.
  if (locked === undefined) {
    return ending !== "erased" && ending !== "withdrawn" && !(endsUnknown && ending === "deleted");
  }
  return !isStronger(ending, locked.endedBy ?? "deleted");
}

/**
 * Decides on one intent by its locked row (undefined: the ledger does not know the memory).
 * @param floor the highest version that a memory without a row may have had, as its bucket has it; 0: none.
 * @param endsUnknown whether a deletion of a memory without a row is written: a replica may still have the memory, and shows
 *   what this ledger does not know.
 */
export function decide(
  intent: WriteIntent,
  locked: LockedVersion | undefined,
  now: number,
  nodeId: string,
  floor = 0,
  endsUnknown = false,
): RowDecision {
  const { key, memory, expectedVersion, imported } = intent;
  const version = locked?.version ?? 0;
  const checksum = locked?.checksum ?? null;
  if (locked?.endedBy === "erased" && memory !== null) return { action: "erased", version, checksum: null };
  if (expectedVersion !== null) {
    const found = checksum === null && expectedVersion === 0 ? 0 : version;
    if (found !== expectedVersion) return { action: "conflict", version, checksum };
  }
  // An import of a deletion is written where the memory is unknown: it brings the deletion's version.
  if (changesNothing(intent, locked, endsUnknown) && (imported === undefined || locked !== undefined)) {
    return { action: "unchanged", version, checksum, vectors: locked?.hasEmbedding ?? false };
  }
  if (imported !== undefined && locked !== undefined) return { action: "conflict", version, checksum };
  // No version is given out twice, not even after the tombstone of the memory that had it was pruned.
  const next = locked === undefined ? Math.max(imported?.version ?? 1, nextVersion(floor)) : nextVersion(version);
  const modifiedAt = intent.modifiedAt ?? now;
  // A store of vectors alone must hear of a memory that lost its embedding as well as of one that has one.
  const hadEmbedding = locked?.hasEmbedding ?? false;
  const vectors = hadEmbedding || memory?.embedding != null;
  const versionVector = nextVector(intent, locked, nodeId);
  const change: MemoryChange =
    memory === null
      ? { kind: "tombstone", namespace: key.namespace, memoryId: key.memoryId, version: next, modifiedAt }
      : putChange(memory, next, { versionVector: versionVector, modifiedAt });
  const put = change.kind === "put" ? change : null;
  // Field by field: an object spread cost more than all other work of this function.
  const write: VersionWrite = {
    namespace: key.namespace,
    memoryId: key.memoryId,
    version: next,
    bucket: memory?.bucket ?? bucketOf(key),
    versionVector: versionVector,
    checksum: put?.checksum ?? null,
    digest: put?.digest ?? null,
    documentJson: put?.documentJson ?? null,
    embedding: put?.embedding ?? null,
    endedBy: put === null ? (intent.ending ?? "deleted") : null,
    expiresAt: put?.expiresAt ?? null,
    hasEmbedding: put === null ? hadEmbedding : put.embedding !== null,
    modifiedAt,
    inserts: locked === undefined,
  };
  return { action: "write", write, change, vectors };
}

function nextVector(
  { imported, includes }: WriteIntent,
  locked: LockedVersion | undefined,
  nodeId: string,
): VersionVector {
  if (imported !== undefined) return imported.versionVector;
  if (locked === undefined && includes === undefined) return firstVector(nodeId);
  return increment(joinVectors(locked?.versionVector ?? {}, includes ?? {}), nodeId);
}

/** Throws when two intents name the same memory: one transaction gives a memory one new version. */
export function assertDistinct(intents: readonly WriteIntent[]): void {
  const seen = new Set(intents.map((intent) => keyText(intent.key)));
  if (seen.size !== intents.length) throw new TypeError("a chunk holds the same memory twice");
}
