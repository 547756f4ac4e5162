import type { JsonValue } from "../memory/json.ts";

/** One field in which two versions differ. */
export interface FieldDifference {
  /** E.g. `content` or `metadata.tags[2]`. */
  readonly path: string;
  /** Undefined: the field is not there. */
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

/** The leaves in which two JSON values differ, in the order of their paths. Arrays are compared place by place. */
export function diffJson(before: JsonValue | undefined, after: JsonValue | undefined, path = ""): FieldDifference[] {
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => diffJson(before[index], after[index], `${path}[${index}]`)).flat();
  }
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) =>
      diffJson(own(before, name), own(after, name), path === "" ? name : `${path}.${name}`),
    );
  }
  return Object.is(before, after) ? [] : [{ path, before, after }];
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(value: { [key: string]: JsonValue }, name: string): JsonValue | undefined {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}
