import { InternalError } from "./errors.ts";
import { isObject } from "./json.ts";
import type { MemoryKey } from "./keys.ts";
import { type MemoryDocument, PRIVACIES } from "./memory.ts";

/**
 * The document that the ledger holds of a memory. Its shape is checked, its bounds are not: it passed validation when it was
 * written, and reads are too frequent for a schema or a checksum (the deep check computes that).
 * @throws {InternalError} It is damaged, e.g. by hand or by a failing disk.
 */
export function parseStoredDocument(json: string, { namespace, memoryId, version }: StoredAs): MemoryDocument {
  let document: unknown;
  let cause: unknown;
  try {
    document = JSON.parse(json);
  } catch (error) {
    cause = error;
  }
  const flaw = cause === undefined ? flawOf(document) : "it is no JSON";
  if (flaw === null) return document as MemoryDocument;
  throw new InternalError(
    `the ledger's document of memory ${JSON.stringify(memoryId)} in namespace ${namespace}, version ${version}, is damaged: ` +
      `${flaw}; mnemosync check --scope deep proves the damage of a current version, and mnemosync repair restores it from a sound copy`,
    { cause },
  );
}

interface StoredAs extends MemoryKey {
  readonly version: number;
}

function flawOf(document: unknown): string | null {
  if (!isObject(document)) return "it is no JSON object";
  const { content, memoryType, importance, metadata, privacy, embeddingModel, expiresAt } = document;
  if (typeof content !== "string") return "content is no text";
  if (typeof memoryType !== "string") return "memoryType is no text";
  if (typeof importance !== "number") return "importance is no number";
  if (!isObject(metadata)) return "metadata is no object";
  if (!(PRIVACIES as readonly unknown[]).includes(privacy)) return "privacy is none of full, redacted, local_only";
  if (embeddingModel !== undefined && typeof embeddingModel !== "string") return "embeddingModel is no text";
  if (expiresAt !== undefined && (typeof expiresAt !== "string" || Number.isNaN(Date.parse(expiresAt)))) {
    return "expiresAt is no time";
  }
  return null;
}
