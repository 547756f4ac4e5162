import { embeddingFromBytes } from "../domain/checksum.ts";
import { ConfigurationError, ValidationError } from "../domain/errors.ts";
import { checkText, isObject, setOwn } from "../domain/json.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { EncodedMemory } from "../domain/memory.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import { isCounter, isVersion, VERSION_MAX, type VersionVector } from "../domain/version-vector.ts";
import { FORMAT_VERSION, isExportHeader, READABLE_FORMATS, type ReadableFormat } from "./format.ts";

/** A version out of an export, checked. */
export interface ImportedVersion extends MemoryKey {
  readonly type: "memory" | "history";
  readonly version: number;
  readonly versionVector: VersionVector;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Null for a deletion. */
  readonly memory: EncodedMemory | null;
}

/** Validators of records: the embedding of a current version must fit the index, that of a replaced one need not. */
export interface RecordValidators {
  readonly memory: MemoryValidator;
  readonly history: MemoryValidator;
}

const CONTENT_FIELDS = ["document", "embedding"];

/** The name of the version vector's field, by format version. */
const VECTOR_FIELD: Readonly<Record<ReadableFormat, string>> = { 1: "vector", 2: "versionVector" };

/**
 * Reads the header. @returns the format version of the export.
 * @throws {ConfigurationError} It is no header, or one of a format that this program does not know.
 */
export function readHeader(value: unknown): ReadableFormat {
  if (!isExportHeader(value)) {
    throw new ConfigurationError(
      `not an export: its first record must be a header, e.g. {"mnemosync":${FORMAT_VERSION},…}`,
    );
  }
  const { mnemosync } = value as { mnemosync: unknown };
  const format = READABLE_FORMATS.find((readable) => readable === mnemosync);
  if (format !== undefined) return format;
  throw new ConfigurationError(
    `the export is of format ${JSON.stringify(mnemosync)?.slice(0, 40)} and this program reads ` +
      `${READABLE_FORMATS.join(" and ")}: import it with a program that reads its format`,
  );
}

/**
 * Reads a record after the header.
 * @returns null for the last record.
 * @throws {ValidationError} naming the field. Where the document or the embedding was damaged, their checksum does not fit.
 */
export function readRecord(
  value: unknown,
  format: ReadableFormat,
  validators: RecordValidators,
): ImportedVersion | null {
  if (!isObject(value)) throw new ValidationError("", "is no record: expected a JSON object");
  if (isExportHeader(value)) {
    if (value.end === true) return null;
    throw new ValidationError("mnemosync", "a header stands between the records: import one export at a time");
  }
  const record = value;
  const vectorField = VECTOR_FIELD[format];
  const fields = ["type", "namespace", "memoryId", "version", "checksum", vectorField, "modifiedAt", ...CONTENT_FIELDS];
  const unknown = Object.keys(record).find((key) => !fields.includes(key));
  if (unknown !== undefined)
    throw new ValidationError(unknown, `is no field of a record; there are ${fields.join(", ")}`);
  const { type, version, checksum } = record;
  if (type !== "memory" && type !== "history") throw new ValidationError("type", 'must be "memory" or "history"');
  if (!isVersion(version)) throw new ValidationError("version", `must be a whole number from 1 to ${VERSION_MAX}`);
  const validator = validators[type];
  const key = validator.validateKey(record.memoryId, record.namespace ?? null);
  const versionVector = readVector(record[vectorField], vectorField);
  const modifiedAt = readTime(record.modifiedAt);
  const memory = readContent(record, key, validator);
  if ((memory?.checksum ?? null) !== checksum) {
    throw new ValidationError(
      "checksum",
      "does not fit the document and the embedding: the record was damaged or edited",
    );
  }
  return { type, ...key, version, versionVector, modifiedAt, memory };
}

function readContent(
  record: Record<string, unknown>,
  key: MemoryKey,
  validator: MemoryValidator,
): EncodedMemory | null {
  const { document, embedding } = record;
  if (document === null && embedding === null) return null;
  if (!isObject(document)) {
    throw new ValidationError("document", "must be an object, or null together with the embedding");
  }
  return validator.encode(validator.validate({ ...document, ...key, embedding: readEmbedding(embedding) }));
}

function readEmbedding(value: unknown): Float32Array | null {
  if (value === null) return null;
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : null;
  // The decoder skips characters that are not base64: only a text that reads back the same was base64.
  if (bytes === null || bytes.length % 4 !== 0 || bytes.toString("base64") !== value) {
    throw new ValidationError("embedding", "must be float32 numbers, little-endian, in base64, or null");
  }
  return embeddingFromBytes(bytes);
}

function readVector(value: unknown, field: string): VersionVector {
  const vector: Record<string, number> = {};
  const expected = `must be an object of whole numbers from 0 to ${VERSION_MAX}, one per node`;
  if (!isObject(value)) throw new ValidationError(field, expected);
  for (const [nodeId, counter] of Object.entries(value)) {
    if (!isCounter(counter)) throw new ValidationError(field, expected);
    setOwn(vector, checkText(nodeId, field), counter);
  }
  return vector;
}

function readTime(value: unknown): number {
  const milliseconds = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isFinite(milliseconds) && new Date(milliseconds).toISOString() === value) return milliseconds;
  throw new ValidationError("modifiedAt", "must be an ISO-8601 time with milliseconds and Z");
}
