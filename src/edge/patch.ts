import { ValidationError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Privacy } from "../domain/memory.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import type { PatchOfMemory } from "./file/patched-memory.ts";

/** Fields to change. `undefined` leaves a field as it is. */
export interface EdgePatch {
  readonly content?: string | undefined;
  readonly memoryType?: string | undefined;
  readonly importance?: number | undefined;
  /** A JSON merge patch (RFC 7396): null removes an entry. */
  readonly metadata?: JsonObject | undefined;
  readonly privacy?: Privacy | undefined;
  readonly embeddingModel?: string | null | undefined;
  readonly expiresAt?: Date | string | null | undefined;
  /** Without it a changed content loses its vector. */
  readonly embedding?: readonly number[] | Float32Array | null | undefined;
}

const FIELDS: ReadonlySet<string> = new Set<keyof EdgePatch>([
  "content",
  "memoryType",
  "importance",
  "metadata",
  "privacy",
  "embeddingModel",
  "expiresAt",
  "embedding",
]);

/** The patch in the form that the file takes. Bounds are checked there, of the patched memory. @throws {ValidationError} */
export function patchOf(patch: EdgePatch, validator: MemoryValidator): PatchOfMemory {
  const unknown = Object.keys(patch).find((name) => !FIELDS.has(name));
  if (unknown !== undefined)
    throw new ValidationError(unknown, `is no field of a patch: expected ${[...FIELDS].join(", ")}`);
  const { embedding, expiresAt, ...others } = patch;
  const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  return {
    ...given,
    ...(expiresAt !== undefined && { expiresAt: expiresAt === null ? null : isoOf(expiresAt) }),
    ...(embedding !== undefined && { embedding: embedding === null ? null : validator.checkEmbedding(embedding) }),
  };
}

function isoOf(time: Date | string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) throw new ValidationError("expiresAt", "expected a Date or an ISO-8601 time");
  return date.toISOString();
}
