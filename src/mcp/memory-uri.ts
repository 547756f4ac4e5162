import { NAMESPACE_PATTERN } from "../domain/schema.ts";
import type { MemoryKey } from "../index.ts";

/** RFC 6570: the id is percent-encoded, so that a slash in it stays one. */
export const MEMORY_URI_TEMPLATE = "memory://{namespace}/{id}";

/** Bytes of an id, each of them percent-encoded, and the rest. */
const URI_LENGTH_MAX = 512 * 3 + 256;

export function uriOf({ namespace, memoryId }: MemoryKey): string {
  return `memory://${namespace}/${encodeURIComponent(memoryId)}`;
}

/** The memory that a URI names; null: it names none. Not through `URL`, which changes the case of hosts and resolves dots. */
export function keyOfUri(uri: string): MemoryKey | null {
  if (uri.length > URI_LENGTH_MAX) return null;
  const [, namespace = "", encoded = ""] = /^memory:\/\/([^/?#]+)\/(.+)$/s.exec(uri) ?? [];
  if (!NAMESPACE_PATTERN.test(namespace)) return null;
  try {
    return { namespace, memoryId: decodeURIComponent(encoded) };
  } catch {
    return null; // A percent sign that encodes nothing.
  }
}
