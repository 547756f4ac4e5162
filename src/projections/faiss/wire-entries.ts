import { InternalError } from "../../errors.ts";
import type { MemoryKey } from "../../memory/keys.ts";
import type { LiveEntry, Replacement, StoredEntry } from "../projection.ts";
import type { WireEntry, WireReplacement } from "./messages.ts";
import { wireChange } from "./vector-blocks.ts";

/** An entry as the contract has it, from the host's form. */
export function storedEntry(key: MemoryKey, entry: WireEntry, embedding: Buffer | null): StoredEntry {
  const { namespace, memoryId } = key;
  const { version } = entry;
  if (entry.state === "tombstone") return { state: "tombstone", namespace, memoryId, version };
  const live: LiveEntry = { state: "live", namespace, memoryId, version, checksum: entry.checksum, modifiedAt: null };
  return embedding === null ? live : { ...live, data: { documentJson: null, embedding, vector: null } };
}

/** A replacement in the host's form. @throws {InternalError} Its change is of another memory. */
export function wireReplacement({ key, found, change }: Replacement): WireReplacement {
  if (change !== null && (change.namespace !== key.namespace || change.memoryId !== key.memoryId)) {
    throw new InternalError(`a replacement of ${JSON.stringify(key.memoryId)} is of another memory`);
  }
  let held: WireEntry | null = null;
  if (found?.state === "live") held = { state: "live", version: found.version, checksum: found.checksum };
  if (found?.state === "tombstone") held = { state: "tombstone", version: found.version };
  const { namespace, memoryId } = key;
  return { namespace, memoryId, found: held, change: change === null ? null : wireChange(change) };
}
