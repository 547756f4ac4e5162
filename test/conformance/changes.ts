import {
  encodeMemory,
  type MemoryChange,
  type PutChange,
  putChange,
  type TombstoneChange,
} from "../../src/domain/memory.ts";
import { unitVector } from "../support/memories.ts";

export const DIMENSION = 8;

/** Version `version` of a memory, its vector another one for each version; `embedding` null makes one without. */
export function put(
  memoryId: string,
  version: number,
  fields: { namespace?: string; embedding?: Float32Array | null; content?: string; expiresAt?: string } = {},
): PutChange {
  const { namespace = "default", content = `${memoryId} at ${version}`, expiresAt } = fields;
  const embedding = fields.embedding === undefined ? vectorOf(memoryId, version) : fields.embedding;
  const document = {
    content,
    memoryType: "test",
    importance: 0.5,
    metadata: { version },
    privacy: "full" as const,
    ...(expiresAt && { expiresAt }),
  };
  const stamp = { versionVector: { node: version }, modifiedAt: 1_700_000_000_000 + version };
  return putChange(encodeMemory({ namespace, memoryId }, document, embedding), version, stamp);
}

export function tombstone(memoryId: string, version: number, namespace = "default"): TombstoneChange {
  return { kind: "tombstone", namespace, memoryId, version, modifiedAt: 1_700_000_000_000 + version };
}

export function keyOf({ namespace, memoryId }: MemoryChange): { namespace: string; memoryId: string } {
  return { namespace, memoryId };
}

function vectorOf(memoryId: string, version: number): Float32Array {
  let seed = version;
  for (const letter of memoryId) seed = (seed * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003;
  return unitVector(seed, DIMENSION);
}
