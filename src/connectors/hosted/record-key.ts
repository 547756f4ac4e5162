import type { MemoryKey } from "../../domain/keys.ts";

/** The id of a dead letter of a sink: the memory that the service could not process. A namespace has no slash. */
export function recordKeyText({ namespace, memoryId }: MemoryKey): string {
  return `${namespace}/${memoryId}`;
}

/** Null: it names no memory. */
export function parseRecordKey(text: string): MemoryKey | null {
  const at = text.indexOf("/");
  return at <= 0 ? null : { namespace: text.slice(0, at), memoryId: text.slice(at + 1) };
}
