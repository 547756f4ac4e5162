import type { JsonObject } from "../../domain/json.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { MemoryDocument } from "../../domain/memory.ts";
import { mergePatch } from "../../domain/merge-patch.ts";
import type { MemoryValidator } from "../../domain/schema.ts";
import type { WireVector } from "../../hub/protocol/wire-memory.ts";
import { SyncPayloadError } from "../errors.ts";
import { type Side, withVisible } from "./side.ts";

/** The fields of a patch. Undefined: unchanged. Null takes the field away. */
export interface DocumentPatch {
  readonly content?: string;
  readonly memoryType?: string;
  readonly importance?: number;
  /** The whole metadata, already merged. */
  readonly metadata?: MemoryDocument["metadata"];
  readonly privacy?: MemoryDocument["privacy"];
  readonly embeddingModel?: string | null;
  readonly expiresAt?: string | null;
  readonly embedding?: WireVector | null;
}

/** A patch as a caller gives it: metadata is a merge patch (RFC 7396). */
export type PatchOfMemory = Omit<DocumentPatch, "metadata"> & { readonly metadata?: JsonObject };

/** @throws {ValidationError} The patched memory is none. @throws {SyncPayloadError} */
export function patchedMemory(key: MemoryKey, side: Side, patch: PatchOfMemory, validator: MemoryValidator): Side {
  const { metadata, ...fields } = patch;
  const before = side.document?.metadata ?? {};
  const merged = metadata === undefined ? {} : { metadata: mergePatch(before, metadata) as JsonObject };
  const result = applyPatch(side, { ...fields, ...merged });
  if (result.document === null || result.withheld) return result;
  const valid = validator.validate({ ...key, ...result.document, embedding: result.embedding });
  return { ...result, document: valid.document, embedding: valid.embedding };
}

/** @throws {SyncPayloadError} It names a field that is withheld from this device. */
function applyPatch(side: Side, patch: DocumentPatch): Side {
  const { document } = side;
  if (document === null) return side;
  const { embedding, ...fields } = patch;
  const merged = Object.fromEntries(
    Object.entries({ ...document, ...fields }).filter(([, value]) => value !== undefined && value !== null),
  ) as unknown as MemoryDocument;
  if (!side.withheld) {
    // A vector describes the content that it was made of: a patch of the content alone takes it away.
    const kept = patch.content === undefined || patch.content === document.content ? side.embedding : null;
    return { document: merged, embedding: embedding === undefined ? kept : embedding, withheld: false };
  }
  const beyond = ["content", "metadata", "privacy", "embeddingModel", "embedding"].filter(
    (name) => patch[name as keyof DocumentPatch] !== undefined,
  );
  if (beyond.length > 0) {
    throw new SyncPayloadError(
      `${beyond.join(", ")}: withheld from this device, which can change importance, memoryType and expiresAt only`,
    );
  }
  return withVisible(side, merged);
}
