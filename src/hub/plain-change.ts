import { isObject } from "../domain/json.ts";
import { VERSION_MAX } from "../domain/version-vector.ts";
import { isChangeKey } from "./protocol/change-key.ts";
import { type PushChange, TIME_MAX } from "./protocol/push.ts";
import { isBase64 } from "./protocol/wire-memory.ts";

/**
 * An ordinary change, which nearly all are: a put of a full memory, in the shape that an edge sends. Null: it may be any other, or
 * malformed, and the schema says what it is. The schema takes ten times as long, which was a tenth of a push.
 */
export function plainChange(raw: unknown): PushChange | null {
  if (!isObject(raw) || raw.op !== "put" || Object.keys(raw).length !== 7) return null;
  const { key, namespace, memoryId, baseVersion, modifiedAt, memory } = raw;
  const isHead =
    isChangeKey(key) &&
    typeof namespace === "string" &&
    typeof memoryId === "string" &&
    (baseVersion === null || isWhole(baseVersion, VERSION_MAX)) &&
    typeof modifiedAt === "number" &&
    modifiedAt >= 0 &&
    modifiedAt <= TIME_MAX;
  return isHead && isPlainMemory(memory) ? (raw as PushChange) : null;
}

/** With an embedding or null, with or without what is optional, and nothing else. */
function isPlainMemory(memory: unknown): boolean {
  if (!isObject(memory) || memory.privacy !== "full") return false;
  const { content, memoryType, importance, metadata, embedding, embeddingModel, expiresAt } = memory;
  const optional = [embeddingModel, expiresAt].filter((value) => typeof value === "string").length;
  return (
    Object.keys(memory).length === 6 + optional &&
    typeof content === "string" &&
    typeof memoryType === "string" &&
    Number.isFinite(importance) &&
    isObject(metadata) &&
    (embedding === null || (typeof embedding === "string" && isBase64(embedding)))
  );
}

function isWhole(value: unknown, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;
}
