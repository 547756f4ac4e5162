import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { hasCanonicalOrder } from "../domain/json.ts";
import type { PushChange } from "./protocol/push.ts";
import type { WireMemory } from "./protocol/wire-memory.ts";

/**
 * Differs between different changes. The base is left out: after the hub went back, a device offers a change again under its
 * key, with no base. It is kept for as long as the device may repeat the change, so it never changes itself: SHA-256 of canonical JSON.
 */
export function fingerprintOf(change: PushChange): string {
  const { op, namespace, memoryId, modifiedAt } = change;
  const memory = change.op === "put" ? inOrder(change.memory) : null;
  const told = ["mnemosync change", 1, op, namespace, memoryId, modifiedAt, memory];
  // Where the keys are in order, the engine writes canonical JSON, five times as fast.
  const text = hasCanonicalOrder(memory) ? JSON.stringify(told) : (canonicalize(told) as string);
  return createHash("sha256").update(text).digest("base64url");
}

function inOrder(memory: WireMemory): WireMemory {
  const { expiresAt, importance, memoryType } = memory;
  if (memory.privacy === "redacted") return { ...defined({ expiresAt }), importance, memoryType, privacy: "redacted" };
  const { content, embedding, embeddingModel, metadata } = memory;
  return {
    content,
    embedding,
    ...defined({ embeddingModel }),
    ...defined({ expiresAt }),
    importance,
    memoryType,
    metadata,
    privacy: "full",
  };
}

/** Without what is undefined. */
function defined<T extends Record<string, string | undefined>>(fields: T): { [Name in keyof T]?: string } {
  return Object.values(fields).includes(undefined) ? {} : (fields as { [Name in keyof T]?: string });
}
