import type { JsonValue } from "../domain/json.ts";
import { jsonDifferences } from "../domain/json-differences.ts";

/** One field in which two versions differ. */
export interface FieldDifference {
  /** E.g. `content` or `metadata.tags[2]`. */
  readonly path: string;
  /** Undefined: the field is not there. */
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

/** The leaves in which two JSON values differ, with dotted paths. A key that holds a dot makes such a path ambiguous. */
export function diffJson(before: JsonValue | undefined, after: JsonValue | undefined): FieldDifference[] {
  return jsonDifferences(before, after).map((difference) => ({ ...difference, path: dotted(difference.path) }));
}

function dotted(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");
}
