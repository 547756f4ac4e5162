import { embeddingFromBytes } from "../domain/checksum.ts";
import type { Ending } from "../domain/ending.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import type { MemoryDocument } from "../domain/memory.ts";
import { parseStoredDocument } from "../domain/stored-document.ts";
import { parseVector, type VersionVector } from "../domain/version-vector.ts";
import type { FeedChange, FeedDocument } from "../feed/feed-page.ts";
import type { CurrentMemory, Writer } from "../ledger/change-claims.ts";
import type { HubChange } from "./protocol/changes.ts";
import { leavingMemory } from "./protocol/privacy.ts";
import type { WireVector } from "./protocol/wire-memory.ts";

/** What `HubChange` has in all its forms. */
interface Base extends MemoryKey {
  readonly version: number;
  readonly versionVector: VersionVector;
  readonly modifiedAt: number;
  readonly device: string | null;
  readonly key: string | null;
}

/** A change of the feed as a device is told of it. @param writers of the page's memories, by key text. */
export function toldChange(change: FeedChange, writers: ReadonlyMap<string, Writer>, device: string): HubChange {
  const { namespace, memoryId, version, versionVector, modifiedAt, kind, document, checksum, embedding } = change;
  const found = writers.get(keyText(change));
  const writer = found?.version === version ? found : null;
  const base = {
    ...{ namespace, memoryId, version, versionVector, modifiedAt },
    device: writer?.device ?? null,
    key: writer?.key ?? null,
  };
  if (kind !== "put" || document === null) {
    return ending(base, kind === "put" ? "withdrawn" : kind, change.reason ?? "deleted");
  }
  return put(base, document, checksum, embedding, writer?.holder === device);
}

/** A memory as it stands, as a device may see it: nothing of one that is local to the hub but that it is there. */
export function currentChange(row: CurrentMemory, device: string): HubChange {
  const { namespace, memoryId, version, modifiedAt, checksum } = row;
  const versionVector = parseVector(row.versionVector) ?? {};
  const base = { namespace, memoryId, version, versionVector, modifiedAt, device: row.device, key: row.key };
  if (row.endedBy !== null) return ending(base, "deleted", row.endedBy);
  const document = row.document === null ? null : parseStoredDocument(row.document, row);
  if (document === null || document.privacy === "local_only") return ending(base, "withdrawn", "withdrawn");
  const embedding = row.embedding === null ? null : embeddingFromBytes(row.embedding);
  return put(base, document, checksum, embedding, row.holder === device);
}

function put(
  base: Base,
  document: FeedDocument,
  checksum: string | null,
  embedding: WireVector | null,
  isHolder: boolean,
): HubChange {
  const isFull = document.privacy === "full";
  // Of a redacted one only what may leave is looked at.
  const memory = leavingMemory(document as MemoryDocument, embedding);
  if (memory === null) return ending(base, "withdrawn", "withdrawn");
  return { ...base, kind: "put", checksum: isFull ? checksum : null, holder: !isFull && isHolder, memory };
}

function ending(base: Base, kind: "deleted" | "withdrawn", reason: Ending): HubChange {
  return { ...base, kind: reason === "withdrawn" ? "withdrawn" : kind, reason };
}
