import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { hasCanonicalOrder, type JsonObject } from "../domain/json.ts";
import type { PushChange } from "./protocol/push.ts";
import type { WireMemory } from "./protocol/wire-memory.ts";

/**
 * Differs between different changes. The base is left out: after the hub went back, a device offers a change again under its
 * key, with no base. It is kept for as long as the device may repeat the change, so it never changes itself: SHA-256 of canonical JSON.
 */
export function fingerprintOf(change: PushChange): string {
  const { op, namespace, memoryId, modifiedAt } = change;
  const head = JSON.stringify(["mnemosync change", 1, op, namespace, memoryId, modifiedAt]);
  const memory = change.op === "put" ? memoryText(change.memory) : "null";
  return createHash("sha256")
    .update(`${head.slice(0, -1)},${memory}]`)
    .digest("base64url");
}

/** Canonical JSON of a memory. Its fields stand in order here: the engine writes them five times as fast as the library. */
function memoryText(memory: WireMemory): string {
  const { expiresAt, importance, memoryType, privacy } = memory;
  const last = `"importance":${JSON.stringify(importance)},"memoryType":${JSON.stringify(memoryType)}`;
  const ends = expiresAt === undefined ? "" : `"expiresAt":${JSON.stringify(expiresAt)},`;
  if (memory.privacy === "redacted") return `{${ends}${last},"privacy":"${privacy}"}`;
  const { content, embedding, embeddingModel, metadata } = memory;
  const model = embeddingModel === undefined ? "" : `"embeddingModel":${JSON.stringify(embeddingModel)},`;
  const first = `"content":${JSON.stringify(content)},"embedding":${JSON.stringify(embedding)}`;
  return `{${first},${model}${ends}${last},"metadata":${metadataText(metadata)},"privacy":"${privacy}"}`;
}

function metadataText(metadata: JsonObject): string {
  return hasCanonicalOrder(metadata) ? JSON.stringify(metadata) : (canonicalize(metadata) as string);
}
