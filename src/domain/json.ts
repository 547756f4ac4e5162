import { ValidationError } from "./errors.ts";

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

/** Deepest nesting that is accepted: far below what any of the stores' parsers takes. */
const DEPTH_MAX = 100;

/**
 * A copy of `value` that holds JSON and nothing else, so that later changes by the caller don't reach us. Negative
 * zero becomes zero and keys are sorted, as canonical JSON has it.
 * @throws {ValidationError} with the path of what JSON cannot carry: `undefined`, a function, a Date, a non-finite
 *   number, a string that is not well-formed Unicode or contains NUL, a cycle.
 */
export function copyJson(value: unknown, path: string, depth = 0): JsonValue {
  if (depth > DEPTH_MAX) throw new ValidationError(path, `nested deeper than ${DEPTH_MAX} levels, or in a cycle`);
  switch (typeof value) {
    case "boolean":
      return value;
    case "string":
      return checkText(value, path);
    case "number":
      if (!Number.isFinite(value)) throw new ValidationError(path, `${value} is not a finite number`);
      return value === 0 ? 0 : value;
    case "object":
      if (value === null) return null;
      return Array.isArray(value) ? copyArray(value, path, depth) : copyObject(value, path, depth);
    default:
      throw new ValidationError(path, `${typeof value} cannot be stored as JSON: leave the key out, or use null`);
  }
}

/** The same text, proven to be storable everywhere. */
export function checkText(text: string, path: string): string {
  const nul = text.indexOf("\u0000");
  if (nul !== -1)
    throw new ValidationError(path, `contains a NUL character at index ${nul}, which Postgres cannot store`);
  if (!text.isWellFormed()) {
    throw new ValidationError(
      path,
      "contains a lone surrogate (half of a character): text must be well-formed Unicode",
    );
  }
  return text;
}

function copyArray(values: readonly unknown[], path: string, depth: number): JsonValue[] {
  // Array.from visits the holes of a sparse array too: they are undefined, and refused.
  return Array.from(values, (value, index) => copyJson(value, `${path}[${index}]`, depth + 1));
}

function copyObject(value: object, path: string, depth: number): JsonObject {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null) {
    throw new ValidationError(path, `a ${value.constructor?.name ?? "class instance"} is not plain JSON`);
  }
  const copy: JsonObject = {};
  const keys = Object.keys(value);
  if (!isAscending(keys)) keys.sort();
  for (const key of keys) {
    const itemPath = `${path}.${key}`;
    checkText(key, `key of ${itemPath}`);
    const itemCopy = copyJson((value as Record<string, unknown>)[key], itemPath, depth + 1);
    setOwn(copy, key, itemCopy);
  }
  return copy;
}

/**
 * Whether all objects within `value` list their keys in the order of canonical JSON. (Keys that look like array indexes
 * come first in any object, in the order of numbers.)
 */
export function hasCanonicalOrder(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(hasCanonicalOrder);
  const keys = Object.keys(value);
  return isAscending(keys) && keys.every((key) => hasCanonicalOrder((value as Record<string, unknown>)[key]));
}

/** In the order of UTF-16 code units. */
function isAscending(keys: readonly string[]): boolean {
  for (let index = 1; index < keys.length; index++) {
    if ((keys[index - 1] as string) > (keys[index] as string)) return false;
  }
  return true;
}

/** An object rather than null, an array or a primitive. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return isObject(value);
}

/** The value that the object itself has under `key`; undefined where it has none, whatever it inherits. */
export function getOwn(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function setOwn(object: JsonObject, key: string, value: JsonValue): void {
  // A key "__proto__" (JSON.parse makes such) would be taken for the prototype by an assignment.
  if (key === "__proto__")
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}

/** Whether two values have one canonical form: the order of keys and the sign of zero are no difference. */
export function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(getOwn(a, key), getOwn(b, key)))
  );
}
