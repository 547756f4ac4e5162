import { checksumOf, embeddingFromBytes, entryDigest } from "../domain/checksum.ts";
import type { Memory, PutChange } from "../domain/memory.ts";
import { LEDGER_ID, type StoreId } from "../domain/store-id.ts";
import { parseStoredDocument } from "../domain/stored-document.ts";
import type { VectorBlock } from "../domain/vector-block.ts";
import { parseVector } from "../domain/version-vector.ts";
import type { LiveEntry } from "../stores/projection.ts";

/**
 * Whether the bytes of an entry (read with data) fit its checksum, and its digest fits its key and version: otherwise it was
 * altered, or copied from another memory, maybe another tenant's.
 */
export function isProven(entry: LiveEntry): boolean {
  const { data, version, checksum } = entry;
  if (data === undefined || data.documentJson === null || data.versionVector === null) return false;
  if (parseVector(data.versionVector) === null) return false;
  if (checksumOf(data.documentJson, data.embedding) !== checksum) return false;
  // Absent: a store that keeps no digest proves the content alone.
  return data.digest === undefined || data.digest === entryDigest(entry, version, checksum);
}

/**
 * The memory that a proven entry of the store `source` holds.
 * @param vectors where the copy of the vector goes: memories that are read together then need one piece of memory.
 */
export function cachedMemory(entry: LiveEntry, source: StoreId, vectors?: VectorBlock): Memory {
  const { data, namespace, memoryId, version, checksum } = entry;
  const embedding = data?.embedding ?? null;
  // Filled in where it was parsed: a copy of the document costs as much as parsing it.
  const memory = JSON.parse(String(data?.documentJson)) as { -readonly [Field in keyof Memory]: Memory[Field] };
  memory.namespace = namespace;
  memory.memoryId = memoryId;
  memory.version = version;
  memory.checksum = checksum;
  memory.versionVector = parseVector(data?.versionVector ?? "") ?? {};
  memory.modifiedAt = entry.modifiedAt ?? 0;
  memory.embedding = embedding === null ? null : (vectors?.copyBytes(embedding) ?? embeddingFromBytes(embedding));
  memory.source = source;
  return memory;
}

/** The memory that the ledger holds. @throws {InternalError} Its document is damaged. */
export function ledgerMemory(change: PutChange): Memory {
  const { namespace, memoryId, version, checksum, versionVector, modifiedAt, embedding } = change;
  const document = parseStoredDocument(change.documentJson, change);
  return {
    ...document,
    namespace,
    memoryId,
    version,
    checksum,
    versionVector,
    modifiedAt,
    embedding,
    source: LEDGER_ID,
  };
}
