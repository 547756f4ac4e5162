import { embeddingFromBytes } from "../../domain/checksum.ts";
import type { Memory, MemoryDocument } from "../../domain/memory.ts";
import { parseVector } from "../../domain/version-vector.ts";
import type { PageRow } from "../../ledger/find-statements.ts";
import { listedMemory } from "../../read/finder.ts";
import type { ListedMemory } from "../../read/list-options.ts";
import { REPLICA_ID } from "../connection.ts";

/** The memory of a content that was read with its embedding. A `redacted` one has neither content nor metadata there. */
export function replicaMemory(namespace: string, row: PageRow, withCreatedAt: boolean): Memory | null {
  if (row.document === null) return null;
  const { memoryId, version, checksum, versionVector, createdAt, modifiedAt, embedding } = row;
  return {
    ...(JSON.parse(row.document) as MemoryDocument),
    ...{ namespace, memoryId, version, checksum },
    versionVector: parseVector(versionVector) ?? {},
    ...(withCreatedAt && { createdAt: Math.round(createdAt) }),
    modifiedAt: Math.round(modifiedAt),
    embedding: embedding === null ? null : embeddingFromBytes(embedding),
    source: REPLICA_ID,
  };
}

/** The same as lists show it. */
export function listedReplicaMemory(namespace: string, row: PageRow, withEmbedding: boolean): ListedMemory | null {
  return row.document === null
    ? null
    : listedMemory(namespace, row, row.document, { withEmbedding, source: REPLICA_ID });
}
