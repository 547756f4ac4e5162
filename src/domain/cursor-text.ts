/**
 * Parts of a cursor as one opaque text: safe in URLs, headers and file names.
 * @param prefix names the form of the parts, so that a later program tells it from its own.
 */
export function encodeCursorParts(prefix: string, parts: readonly unknown[]): string {
  return prefix + Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** The parts, unchecked; null for a text that `encodeCursorParts` did not make with this prefix. */
export function decodeCursorParts(prefix: string, text: unknown, lengthMax: number): unknown {
  if (typeof text !== "string" || text.length > lengthMax || !text.startsWith(prefix)) return null;
  const encoded = text.slice(prefix.length);
  const bytes = Buffer.from(encoded, "base64url");
  // Node passes over what is not base64: a text that was cut or joined with another must not name another place.
  if (bytes.toString("base64url") !== encoded) return null;
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null; // Not made by us.
  }
}
