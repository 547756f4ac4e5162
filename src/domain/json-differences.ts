import { getOwn, isJsonObject, type JsonValue } from "./json.ts";

/** A leaf in which two JSON values differ. */
export interface JsonDifference {
  /** Keys and places in arrays, from the outside in; empty where the values differ as a whole. */
  readonly path: readonly (string | number)[];
  /** Undefined: there is nothing at the path. */
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

/** The leaves in which two JSON values differ, in the order of their paths. Arrays are compared place by place. */
export function jsonDifferences(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  path: readonly (string | number)[] = [],
): JsonDifference[] {
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => jsonDifferences(before[index], after[index], [...path, index])).flat();
  }
  if (isJsonObject(before) && isJsonObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) => jsonDifferences(getOwn(before, name), getOwn(after, name), [...path, name]));
  }
  return Object.is(before, after) ? [] : [{ path, before, after }];
}
