import { ValidationError } from "../domain/errors.ts";
import { isJsonObject, isObject, type JsonObject, type JsonValue } from "../domain/json.ts";
import type { Memory } from "../domain/memory.ts";

/** Any part of an object: some of its entries, and some entries of these, at any depth. */
export type PartOf<Whole> = Whole extends readonly unknown[]
  ? Whole
  : Whole extends object
    ? { readonly [Key in keyof Whole]?: PartOf<Whole[Key]> | undefined }
    : Whole;

/** The memories that a search may return. All given conditions must hold; `undefined` is no condition. */
export interface MemoryFilter<Metadata extends object = JsonObject> {
  /** One of these types. */
  readonly memoryType?: string | readonly string[] | undefined;
  /** The metadata has each of these entries with this value. Of an object, only the given entries count. */
  readonly metadata?: PartOf<Metadata> | undefined;
}

/** A filter as callers give it: data, or a function of the memory. */
export type SearchFilter<Metadata extends object = JsonObject> =
  | MemoryFilter<Metadata>
  | ((memory: Memory<Metadata>) => boolean);

/** The filter as a function. @throws {ValidationError} with the path of the wrong part. */
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
  if (metadata !== undefined && !isObject(metadata)) throw new ValidationError("filter.metadata", "must be an object");
  const wanted = metadata === undefined ? undefined : (withoutUndefined(metadata) as JsonObject);
  return (memory) =>
    (types === null || types.has(memory.memoryType)) && (wanted === undefined || contains(memory.metadata, wanted));
}

/** A copy without the entries that are `undefined`, at any depth of objects. */
function withoutUndefined(value: unknown): unknown {
  if (!isObject(value)) return value;
  const given = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(given.map(([key, entry]) => [key, withoutUndefined(entry)]));
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
