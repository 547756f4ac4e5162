import { isObject, textFlaw } from "./json.ts";
import { DEFAULT_NAMESPACE } from "./keys.ts";
import type { Privacy } from "./memory.ts";
import type { MemoryBounds } from "./settings.ts";

/** A vector as callers give it. Named, since an inferred type would name `Float32Array` as older TypeScript cannot read it. */
export type GivenVector = readonly number[] | Float32Array;

/** The fields of a memory as the schema gives them: defaults filled in, texts checked, metadata and vector as they came. */
export interface MemoryFields {
  readonly namespace: string;
  readonly memoryId: string;
  readonly content: string;
  readonly memoryType: string;
  readonly importance: number;
  readonly metadata: Record<string, unknown>;
  readonly embedding?: GivenVector | null | undefined;
  readonly embeddingModel?: string | undefined;
  readonly privacy: Privacy;
  readonly expiresAt?: Date | string | null | undefined;
}

/** Letters, digits, dot, underscore, hyphen; 1 to 128 of them. */
export const NAMESPACE_PATTERN = /^[A-Za-z0-9._-]{1,128}$/;

/** Bytes of the type of a memory, at most. */
export const MEMORY_TYPE_BYTES_MAX = 128;
/** Bytes of the name of an embedding model, at most. */
export const MODEL_BYTES_MAX = 256;

/** Bytes of UTF-8 for one UTF-16 code unit, at most. */
const UTF8_BYTES_MAX = 3;

/**
 * The fields of an ordinary memory without the schema library, which takes a third of the time that checking and copying
 * takes. Null where anything is out of the ordinary: then the schema decides, and says what is wrong. A property test proves
 * that both agree.
 */
export function plainMemory(input: unknown, bounds: MemoryBounds): MemoryFields | null {
  if (!isObject(input)) return null;
  const prototype: unknown = Object.getPrototypeOf(input);
  if (prototype !== Object.prototype && prototype !== null) return null;
  for (const name in input) if (!isKnown(name)) return null;
  const { namespace = DEFAULT_NAMESPACE, memoryId, content, memoryType, importance = 0.5, metadata = {} } = input;
  const { embedding, embeddingModel, privacy = "full", expiresAt } = input;
  if (expiresAt !== undefined && expiresAt !== null) return null;
  if (typeof namespace !== "string" || !NAMESPACE_PATTERN.test(namespace)) return null;
  if (!isText(memoryId, 1, bounds.memoryIdBytesMax) || !isText(content, 0, bounds.contentBytesMax)) return null;
  if (!isText(memoryType, 1, MEMORY_TYPE_BYTES_MAX)) return null;
  if (typeof importance !== "number" || !(importance >= 0 && importance <= 1)) return null;
  if (!isObject(metadata)) return null;
  if (embedding != null && !(embedding instanceof Float32Array) && !Array.isArray(embedding)) return null;
  if (embeddingModel !== undefined && !isText(embeddingModel, 1, MODEL_BYTES_MAX)) return null;
  if (privacy !== "full" && privacy !== "redacted" && privacy !== "local_only") return null;
  return {
    namespace,
    memoryId,
    content,
    memoryType,
    importance,
    metadata,
    embedding: embedding as MemoryFields["embedding"],
    embeddingModel,
    privacy,
    expiresAt,
  };
}

/** Text that every store can keep. */
export function isText(value: unknown, bytesMin: number, bytesMax: number): value is string {
  if (typeof value !== "string" || value.length < bytesMin) return false;
  if (value.length * UTF8_BYTES_MAX > bytesMax && Buffer.byteLength(value, "utf8") > bytesMax) return false;
  return textFlaw(value) === null;
}

function isKnown(name: string): boolean {
  switch (name) {
    case "namespace":
    case "memoryId":
    case "content":
    case "memoryType":
    case "importance":
    case "metadata":
    case "embedding":
    case "embeddingModel":
    case "privacy":
    case "expiresAt":
      return true;
    default:
      return false;
  }
}
