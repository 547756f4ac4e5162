import { MemoryValidator } from "../../src/domain/schema.ts";
import type { PushChange } from "../../src/hub/protocol/push.ts";
import { decodeVector } from "../../src/hub/protocol/wire-memory.ts";

const validator = new MemoryValidator();

/** What a real hub refuses before it looks at the memory; null: nothing. */
export function flawOf(change: PushChange): string | null {
  try {
    validator.validateKey(change.memoryId, change.namespace);
    if (change.op !== "put" || change.memory.privacy === "redacted") return null;
    const { embedding: text, ...fields } = change.memory;
    const embedding = text === null ? null : decodeVector(text);
    if (text !== null && embedding === null) return "embedding: is no whole number of float32 values in base64";
    validator.validate({ ...fields, embedding, memoryId: change.memoryId, namespace: change.namespace });
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
