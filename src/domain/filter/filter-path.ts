import { ValidationError } from "../errors.ts";
import { textFlaw } from "../json.ts";

/** Names within each other, at most. */
const SEGMENTS_MAX = 16;

/** A plain name, or any text as a JSON string in brackets. */
const SEGMENT = /(?:^|\.)([A-Za-z0-9_-]+)|\[("(?:[^"\\]|\\.)*")\]/y;

/**
 * The names of `user.address["post.code"]`, in order. Names of letters, digits, `_` and `-` follow a dot; any other name
 * stands in brackets, as a JSON string. A path leads through objects only: `contains` looks into lists.
 * @throws {ValidationError} at `where`, when `path` is none.
 */
export function parseFilterPath(path: string, where: string): readonly string[] {
  const names: string[] = [];
  SEGMENT.lastIndex = 0;
  while (SEGMENT.lastIndex < path.length) {
    const at = SEGMENT.lastIndex;
    const match = SEGMENT.exec(path);
    const name = match === null ? null : nameOf(match);
    if (name === null)
      throw new ValidationError(where, `no path of names, from its character ${at + 1} on: ${EXPECTED}`);
    const flaw = textFlaw(name);
    if (flaw !== null) throw new ValidationError(where, flaw);
    names.push(name);
    if (names.length > SEGMENTS_MAX) throw new ValidationError(where, `has more than ${SEGMENTS_MAX} names`);
  }
  if (names.length === 0) throw new ValidationError(where, `names no entry of metadata: ${EXPECTED}`);
  return names;
}

const EXPECTED = 'expected e.g. metadata.user.name or metadata["any name"].name';

function nameOf([, plain, quoted]: RegExpExecArray): string | null {
  if (plain !== undefined) return plain;
  try {
    return JSON.parse(quoted as string) as string;
  } catch {
    return null; // A backslash that begins no escape of JSON.
  }
}
