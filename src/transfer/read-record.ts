import { embeddingFromBytes } from "../domain/checksum.ts";
import { ConfigurationError, ValidationError } from "../domain/errors.ts";
import { checkText } from "../domain/json.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { EncodedMemory } from "../domain/memory.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import type { VersionVector } from "../domain/version-vector.ts";
import { FORMAT_VERSION, isExportHeader } from "./format.ts";

/** A version out of an export, checked. */
export interface ImportedVersion extends MemoryKey {
  readonly type: "memory" | "history";
  readonly version: number;
  readonly vector: VersionVector;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Null for a deletion. */
  readonly memory: EncodedMemory | null;
}

/** Who checks what a record says: a vector that is in the index must fit it, one that was replaced need not. */
export interface RecordValidators {
  readonly memory: MemoryValidator;
  readonly history: MemoryValidator;
}

const FIELDS = [
  "type",
  "namespace",
  "memoryId",
  "version",
  "checksum",
  "vector",
  "modifiedAt",
  "document",
  "embedding",
] as const;

/** @throws {ConfigurationError} It is no header, or one of a format that this program does not know. */
export function checkHeader(value: unknown): void {
  if (!isExportHeader(value)) {
    throw new ConfigurationError(
      `not an export: its first record must be a header, e.g. {"mnemosync":${FORMAT_VERSION},…}`,
    );
  }
  const { mnemosync } = value as { mnemosync: unknown };
  if (mnemosync === FORMAT_VERSION) return;
  throw new ConfigurationError(
    `the export is of format ${JSON.stringify(mnemosync)?.slice(0, 40)} and this program reads ${FORMAT_VERSION}: use the program that fits`,
  );
}

/**
 * Reads a record behind the header.
 * @returns null for the last one.
 * @throws {ValidationError} naming the field. The document or the embedding may have been damaged: then their checksum
 *   does not fit.
 */
export function readRecord(value: unknown, validators: RecordValidators): ImportedVersion | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ValidationError("", "is no record: expected a JSON object");
  }
  if (isExportHeader(value)) {
    if ((value as { end?: unknown }).end === true) return null;
    throw new ValidationError("mnemosync", "a header stands amid the records: import one export at a time");
  }
  const record = value as Record<string, unknown>;
  const unknown = Object.keys(record).find((key) => !FIELDS.some((field) => field === key));
  if (unknown !== undefined)
    throw new ValidationError(unknown, `is no field of a record; there are ${FIELDS.join(", ")}`);
  const { type, version, checksum } = record;
  if (type !== "memory" && type !== "history") throw new ValidationError("type", 'must be "memory" or "history"');
  if (!Number.isSafeInteger(version) || (version as number) < 1) {
    throw new ValidationError("version", "must be a whole number from 1");
  }
  const validator = validators[type];
  const key = validator.validateKey(record.memoryId, record.namespace ?? null);
  const vector = readVector(record.vector);
  const modifiedAt = readTime(record.modifiedAt);
  const memory = readContent(record, key, validator);
  if ((memory?.checksum ?? null) !== checksum) {
    throw new ValidationError(
      "checksum",
      "does not fit the document and the embedding: the record was damaged or edited",
    );
  }
  return { type, ...key, version: version as number, vector, modifiedAt, memory };
}

function readContent(
  record: Record<string, unknown>,
  key: MemoryKey,
  validator: MemoryValidator,
): EncodedMemory | null {
  const { document, embedding } = record;
  if (document === null && embedding === null) return null;
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new ValidationError("document", "must be an object, or null together with the embedding");
  }
  return validator.encode(validator.validate({ ...document, ...key, embedding: readEmbedding(embedding) }));
}

function readEmbedding(value: unknown): Float32Array | null {
  if (value === null) return null;
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : null;
  // The decoder skips what is not base64: only what reads back the same was.
  if (bytes === null || bytes.length % 4 !== 0 || bytes.toString("base64") !== value) {
    throw new ValidationError("embedding", "must be float32 numbers, little-endian, in base64, or null");
  }
  return embeddingFromBytes(bytes);
}

function readVector(value: unknown): VersionVector {
  const isVector =
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((counter) => Number.isSafeInteger(counter) && counter >= 0);
  if (isVector) {
    for (const nodeId of Object.keys(value)) checkText(nodeId, "vector");
    return value as VersionVector;
  }
  throw new ValidationError("vector", "must be an object of whole numbers, one per node");
}

function readTime(value: unknown): number {
  const milliseconds = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isFinite(milliseconds) && new Date(milliseconds).toISOString() === value) return milliseconds;
  throw new ValidationError("modifiedAt", "must be an ISO-8601 time with milliseconds and Z");
}
