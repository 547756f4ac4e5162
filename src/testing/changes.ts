import { encodeMemory, type MemoryChange, type PutChange, putChange, type TombstoneChange } from "../domain/memory.ts";
import { unitVector } from "./vectors.ts";

/** Numbers per vector where a store prescribes no dimension. */
export const DIMENSION = 8;

/** Parts of a test's put; each has a default. */
export interface PutFields {
  /** @default "default" */
  readonly namespace?: string;
  /** @default "<memoryId> at <version>" */
  readonly content?: string;
  /** Null: a memory without a vector. @default a vector of length 1, another one for each id and version */
  readonly embedding?: Float32Array | null;
  readonly embeddingModel?: string;
  /** ISO-8601, milliseconds, Z. */
  readonly expiresAt?: string;
  /** Numbers in the default vector. @default 8 */
  readonly dimension?: number;
}

/** A committed version of a memory: equal arguments give an equal change. */
export function put(memoryId: string, version: number, fields: PutFields = {}): PutChange {
  const { namespace = "default", content = `${memoryId} at ${version}`, embeddingModel, expiresAt } = fields;
  const embedding =
    fields.embedding === undefined ? vectorOf(memoryId, version, fields.dimension ?? DIMENSION) : fields.embedding;
  const document = {
    content,
    memoryType: "test",
    importance: 0.5,
    metadata: { version },
    privacy: "full" as const,
    ...(embeddingModel && embedding !== null && { embeddingModel }),
    ...(expiresAt && { expiresAt }),
  };
  const stamp = { versionVector: { node: version }, modifiedAt: 1_700_000_000_000 + version };
  return putChange(encodeMemory({ namespace, memoryId }, document, embedding), version, stamp);
}

/** A committed deletion. */
export function tombstone(memoryId: string, version: number, namespace = "default"): TombstoneChange {
  return { kind: "tombstone", namespace, memoryId, version, modifiedAt: 1_700_000_000_000 + version };
}

/** The key of a change. */
export function keyOf({ namespace, memoryId }: MemoryChange): { namespace: string; memoryId: string } {
  return { namespace, memoryId };
}

function vectorOf(memoryId: string, version: number, dimension: number): Float32Array {
  let seed = version;
  for (const letter of memoryId) seed = (seed * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003;
  return unitVector(seed, dimension);
}
