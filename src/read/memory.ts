import { checksumOf, embeddingFromBytes, entryDigest } from "../domain/checksum.ts";
import type { Memory, PutChange } from "../domain/memory.ts";
import { LEDGER_ID, type StoreId } from "../domain/store-id.ts";
import { parseStoredDocument } from "../domain/stored-document.ts";
import type { VectorBlock } from "../domain/vector-block.ts";
import { parseVector } from "../domain/version-vector.ts";
import type { LiveEntry } from "../stores/projection.ts";

/**
 * The memory that an entry of the store `source` (read with data) holds; undefined when its bytes do not fit its checksum, or
 * its digest does not fit its key and version: then it was copied from another memory, maybe another tenant's.
 * @param vectors where the copy of the vector goes: memories that are read together then need one piece of memory.
 */
export function cachedMemory(entry: LiveEntry, source: StoreId, vectors?: VectorBlock): Memory | undefined {
  const { data, namespace, memoryId, version, checksum } = entry;
  if (data === undefined || data.documentJson === null || data.versionVector === null) return undefined;
  const versionVector = parseVector(data.versionVector);
  if (versionVector === null || checksumOf(data.documentJson, data.embedding) !== checksum) return undefined;
  // Absent: a store that keeps no digest proves the content alone.
  if (data.digest !== undefined && data.digest !== entryDigest(entry, version, checksum)) return undefined;
  // Filled in where it was parsed: a copy of the document costs as much as parsing it.
  const memory = JSON.parse(data.documentJson.toString()) as { -readonly [Field in keyof Memory]: Memory[Field] };
  memory.namespace = namespace;
  memory.memoryId = memoryId;
  memory.version = version;
  memory.checksum = checksum;
  memory.versionVector = versionVector;
  memory.modifiedAt = entry.modifiedAt ?? 0;
  memory.embedding =
    data.embedding === null ? null : (vectors?.copyBytes(data.embedding) ?? embeddingFromBytes(data.embedding));
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
