import { ValidationError } from "./errors.ts";

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

/** Deepest nesting that is accepted: far below what any of the stores' parsers takes. */
const DEPTH_MAX = 100;

/**
 * A copy of `value` that holds JSON and nothing else, so that later changes by the caller don't reach us. Negative
 * zero becomes zero and keys are sorted, as canonical JSON has it.
 * @param bytesMax bytes of the copy as JSON, about: the copying ends where it has certainly passed them, so that a value
 *   that is far too large costs no more than one that is allowed. @default no limit
 * @throws {ValidationError} with the path of the value that JSON cannot carry: `undefined`, a function, a Date, a
 *   non-finite number, a string that is not well-formed Unicode or contains NUL, a cycle.
 */
export function copyJson(value: unknown, path: string, bytesMax = Number.POSITIVE_INFINITY): JsonValue {
  return new JsonCopy(path, bytesMax).copy(value);
}

/**
 * As `copyJson`, with an upper bound of the copy's bytes as JSON: a copy whose bound is within the limit need not be
 * serialized to be measured.
 */
export function copyJsonMeasured(
  value: unknown,
  path: string,
  bytesMax: number,
): { copy: JsonValue; bytesAtMost: number } {
  const copying = new JsonCopy(path, bytesMax);
  return { copy: copying.copy(value), bytesAtMost: copying.bytesAtMost };
}

/** Bytes of JSON for one UTF-16 code unit of a text (an escape), and for a number ("-1.2345678901234567e-308"), at most. */
const UNIT_BYTES_MAX = 6;
const NUMBER_BYTES_MAX = 25;

/** One copy under way. The path is spelled only for an error: spelling it for each value took longer than the copying. */
class JsonCopy {
  readonly #root: string;
  readonly #bytesMax: number;
  /** Names and indexes of the values that are being copied, outermost first. */
  readonly #trail: (string | number)[] = [];
  /** The copy's length as JSON is at least this. */
  #bytes = 0;
  /** And at most this. */
  bytesAtMost = 0;

  constructor(root: string, bytesMax: number) {
    this.#root = root;
    this.#bytesMax = bytesMax;
  }

  copy(value: unknown): JsonValue {
    if (this.#trail.length > DEPTH_MAX) {
      throw this.#refusal(`nested deeper than ${DEPTH_MAX} levels, or in a cycle`);
    }
    switch (typeof value) {
      case "boolean":
        this.#spend(4, 5);
        return value;
      case "string":
        this.#spend(value.length + 2, value.length * UNIT_BYTES_MAX + 2);
        return this.#checked(value);
      case "number":
        this.#spend(1, NUMBER_BYTES_MAX);
        if (!Number.isFinite(value)) throw this.#refusal(`${value} is not a finite number`);
        return value === 0 ? 0 : value;
      case "object":
        if (value === null) {
          this.#spend(4, 4);
          return null;
        }
        return Array.isArray(value) ? this.#array(value) : this.#object(value);
      default:
        throw this.#refusal(`${typeof value} cannot be stored as JSON: leave the key out, or use null`);
    }
  }

  #array(values: readonly unknown[]): JsonValue[] {
    this.#spend(values.length + 1, values.length + 2); // Brackets and commas; the elements come on top.
    const copy: JsonValue[] = [];
    // By index, which visits the holes of a sparse array too: they are undefined, and refused.
    for (let index = 0; index < values.length; index++) {
      this.#trail.push(index);
      copy.push(this.copy(values[index]));
      this.#trail.pop();
    }
    return copy;
  }

  #object(value: object): JsonObject {
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null) {
      throw this.#refusal(`a ${value.constructor?.name ?? "class instance"} is not plain JSON`);
    }
    const copy: JsonObject = {};
    const keys = Object.keys(value);
    this.#spend(keys.length * 4 + 1, keys.length * 4 + 2); // Before they are sorted: quotes, colons and commas.
    if (!isAscending(keys)) keys.sort();
    for (const key of keys) {
      this.#trail.push(key);
      this.#spend(key.length, key.length * UNIT_BYTES_MAX);
      this.#checked(key, "key of ");
      setOwn(copy, key, this.copy((value as Record<string, unknown>)[key]));
      this.#trail.pop();
    }
    return copy;
  }

  #spend(atLeast: number, atMost: number): void {
    this.#bytes += atLeast;
    this.bytesAtMost += atMost;
    if (this.#bytes <= this.#bytesMax) return;
    throw new ValidationError(
      this.#root,
      `over ${this.#bytesMax} bytes as JSON, and at most ${this.#bytesMax} are allowed`,
    );
  }

  #checked(text: string, prefix = ""): string {
    const flaw = textFlaw(text);
    if (flaw !== null) throw this.#refusal(flaw, prefix);
    return text;
  }

  #refusal(message: string, prefix = ""): ValidationError {
    const steps = this.#trail.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`));
    return new ValidationError(`${prefix}${this.#root}${steps.join("")}`, message);
  }
}

/** The same text, proven to be storable everywhere. */
export function checkText(text: string, path: string): string {
  const flaw = textFlaw(text);
  if (flaw !== null) throw new ValidationError(path, flaw);
  return text;
}

/** The reason for which some store cannot keep `text`; null where all can. */
export function textFlaw(text: string): string | null {
  const nul = text.indexOf("\u0000");
  if (nul !== -1) return `contains a NUL character at index ${nul}, which Postgres cannot store`;
  if (text.isWellFormed()) return null;
  return "contains a lone surrogate (half of a character): text must be well-formed Unicode";
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
