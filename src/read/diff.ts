import { getOwn, isJsonObject, type JsonValue } from "../domain/json.ts";

/** One field in which two versions differ. */
export interface FieldDifference {
  /** E.g. `content` or `metadata.tags[2]`. */
  readonly path: string;
  /** Undefined: the field is not there. */
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

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

/** The same, with paths as people write them. A key that holds a dot makes such a path ambiguous. */
export function diffJson(before: JsonValue | undefined, after: JsonValue | undefined): FieldDifference[] {
  return jsonDifferences(before, after).map((difference) => ({ ...difference, path: dotted(difference.path) }));
}

function dotted(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");
}
