import { embeddingBytes } from "../../../domain/checksum.ts";
import { InternalError, ValidationError } from "../../../domain/errors.ts";
import type { MemoryKey } from "../../../domain/keys.ts";
import type { LiveEntry, Replacement, StoredEntry } from "../../projection.ts";
import type { HostConnection } from "../client/host-connection.ts";
import type { WireEntry, WireReplacement } from "./messages.ts";
import { type Metric, projectVector } from "./metric.ts";
import { wireChange } from "./vector-blocks.ts";

/** Converts the host's entry to the contract's. */
export function storedEntry(key: MemoryKey, entry: WireEntry, embedding: Buffer | null): StoredEntry {
  const { namespace, memoryId } = key;
  const { version } = entry;
  if (entry.state === "tombstone") return { state: "tombstone", namespace, memoryId, version };
  const live: LiveEntry = { state: "live", namespace, memoryId, version, checksum: entry.checksum, modifiedAt: null };
  return embedding === null ? live : { ...live, data: { documentJson: null, embedding, versionVector: null } };
}

/** Converts a replacement to the host's form. @throws {InternalError} Its change belongs to another memory. */
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

/** Maximum bytes of vectors in one answer of the host: the event loop copies them without a pause. */
const READ_BYTES_MAX = 1024 * 1024;

/** The entry under each key, in order; with `data` the vectors too, in as many calls as their size requires. */
export async function readEntries(
  connection: HostConnection,
  dimension: number,
  keys: readonly MemoryKey[],
  options: { data: boolean },
  signal: AbortSignal,
): Promise<(StoredEntry | null)[]> {
  const rowBytes = dimension * 4;
  const chunk = options.data ? Math.max(1, Math.floor(READ_BYTES_MAX / rowBytes)) : Math.max(1, keys.length);
  const found: (StoredEntry | null)[] = [];
  for (let start = 0; start < keys.length; start += chunk) {
    const asked = keys.slice(start, start + chunk).map(({ namespace, memoryId }) => ({ namespace, memoryId }));
    const answer = await connection.request("read", { keys: asked, vectors: options.data }, signal);
    let row = 0;
    for (const [position, entry] of answer.entries.entries()) {
      if (entry === null) {
        found.push(null);
        continue;
      }
      let embedding: Buffer | null = null;
      if (answer.vectors !== null && entry.state === "live") {
        embedding = Buffer.from(answer.vectors.buffer, answer.vectors.byteOffset + row++ * rowBytes, rowBytes);
      }
      found.push(storedEntry(asked[position] as MemoryKey, entry, embedding));
    }
  }
  return found;
}

/** How a stored vector differs from the projection of `embedding` under the metric; null when they are equal. */
export function vectorFlaw(metric: Metric, stored: Buffer | null, embedding: Float32Array | null): string | null {
  if (embedding === null) return "the index holds a vector of a memory that has none";
  if (stored === null) return "the index holds no vector";
  let wanted: Buffer;
  try {
    wanted = embeddingBytes(projectVector(metric, embedding));
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    return `the ledger's vector cannot be in this index: ${error.message}`;
  }
  if (stored.byteLength !== wanted.byteLength) {
    return `the vector has ${stored.byteLength / 4} numbers instead of ${wanted.byteLength / 4}`;
  }
  return stored.equals(wanted) ? null : "the vector's bytes are not those of the ledger's embedding";
}
