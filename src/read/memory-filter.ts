import { ValidationError } from "../domain/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../domain/json.ts";
import type { Memory } from "../domain/memory.ts";

/** Which memories a search may return. All that is given must hold. */
export interface MemoryFilter {
  /** One of these types. */
  readonly memoryType?: string | readonly string[];
  /** Each of these is in the memory's metadata with this value; of an object, the entries that are given. */
  readonly metadata?: JsonObject;
}

/** A filter as callers give it: data, or a function of the memory. */
export type SearchFilter = MemoryFilter | ((memory: Memory) => boolean);

/** The filter as a function. @throws {ValidationError} naming what is wrong with it. */
export function compileFilter(filter: SearchFilter | undefined): (memory: Memory) => boolean {
  if (filter === undefined) return () => true;
  if (typeof filter === "function") return filter;
  if (typeof filter !== "object" || filter === null || Array.isArray(filter)) {
    throw new ValidationError("filter", "must be a function or an object");
  }
  const { memoryType, metadata, ...others } = filter;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw new ValidationError(`filter.${unknown}`, "is not known: memoryType and metadata are");
  const types = memoryType === undefined ? null : new Set(Array.isArray(memoryType) ? memoryType : [memoryType]);
  for (const type of types ?? []) {
    if (typeof type !== "string") throw new ValidationError("filter.memoryType", "must be a string or several of them");
  }
  if (metadata !== undefined && !isJsonObject(metadata))
    throw new ValidationError("filter.metadata", "must be an object");
  return (memory) =>
    (types === null || types.has(memory.memoryType)) && (metadata === undefined || contains(memory.metadata, metadata));
}

/** Whether `held` has all that is wanted: objects by their entries, everything else by being equal. */
function contains(held: JsonValue | undefined, wanted: JsonValue): boolean {
  if (held === undefined) return false;
  if (isJsonObject(wanted)) {
    if (!isJsonObject(held)) return false;
    return Object.entries(wanted).every(([key, value]) => Object.hasOwn(held, key) && contains(held[key], value));
  }
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(held) && held.length === wanted.length && wanted.every((value, at) => isEqual(held[at], value))
    );
  }
  return held === wanted;
}

function isEqual(held: JsonValue | undefined, wanted: JsonValue): boolean {
  if (!isJsonObject(wanted)) return contains(held, wanted);
  return contains(held, wanted) && isJsonObject(held) && Object.keys(held).length === Object.keys(wanted).length;
}
