import type { Candidate, ConflictBase } from "../../conflict/strategy.ts";
import { checksumOf, embeddingFromBytes, entryDigest } from "../../domain/checksum.ts";
import { plainKey } from "../../domain/keys.ts";
import type { EncodedMemory, MemoryChange, MemoryDocument } from "../../domain/memory.ts";
import type { MemoryValidator } from "../../domain/schema.ts";
import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import { compareVectors, parseVector, type VersionVector } from "../../domain/version-vector.ts";
import type { HistoricVersion } from "../../ledger/history-statements.ts";
import type { LiveEntry, StoredEntry } from "../../stores/projection.ts";
import { isSound } from "./sides.ts";

/** A content that competes with the ledger's. */
export interface RemoteSide {
  readonly candidate: Candidate;
  /** Null: it is a deletion. */
  readonly memory: EncodedMemory | null;
  /** The `modifiedAt` of the winner, in milliseconds since 1970; null: the time of the write. */
  readonly modifiedAt: number | null;
}

/**
 * The content of a store's entry, provided that it is whole: its data fits its checksum, and it is a valid memory.
 * @returns a text for people: why it is not whole.
 */
export function soundCopy(
  store: StoreId,
  entry: StoredEntry | null,
  change: MemoryChange | null,
  validator: MemoryValidator,
): RemoteSide | string {
  if (entry === null) return "nothing is there";
  if (entry.state !== "live") return entry.state === "malformed" ? entry.reason : "a tombstone is there";
  const json = entry.data?.documentJson;
  if (json == null) return "it has no document";
  if (isCopied(entry, change)) return "its digest does not fit its key: it was copied from another memory";
  const bytes = entry.data?.embedding ?? null;
  let embedding = bytes === null ? null : embeddingFromBytes(bytes);
  if (checksumOf(json, embedding) !== entry.checksum) {
    // A store that is set up to hold no vectors leaves them to the ledger.
    const own = change?.kind === "put" ? change.embedding : null;
    if (bytes !== null || own === null || checksumOf(json, own) !== entry.checksum) {
      return "the data does not fit the checksum";
    }
    embedding = own;
  }
  let memory: EncodedMemory;
  try {
    const document = JSON.parse(json.toString()) as MemoryDocument; // The validator says whether it is one.
    memory = validator.encode(validator.validate({ ...document, ...plainKey(entry), embedding }));
  } catch (error) {
    return `it is no valid memory: ${(error as Error).message}`;
  }
  if (memory.checksum !== entry.checksum) return "the document is not in canonical form";
  const { modifiedAt, version } = entry;
  const versionVector = entry.data?.versionVector == null ? null : parseVector(entry.data.versionVector);
  const candidate = { store, version, modifiedAt, versionVector };
  return { candidate: { ...candidate, document: memory.document, embedding: memory.embedding }, memory, modifiedAt };
}

/**
 * Whether the entry was copied from another memory, perhaps another tenant's: a repair must not adopt its content, and nobody is
 * shown it under this key. One that was edited in place still has the ledger's digest of this memory, or none.
 */
export function isCopied(entry: LiveEntry, change: MemoryChange | null): boolean {
  const digest = entry.data?.digest ?? null;
  const known = change?.kind === "put" ? change.digest : null;
  return digest !== null && digest !== known && digest !== entryDigest(entry, entry.version, entry.checksum);
}

/** The ledger's side; null where it does not know the memory, or its own data is damaged. */
export function ledgerCandidate(change: MemoryChange | null, versionVector: VersionVector | null): Candidate | null {
  if (change === null || !isSound(change)) return null;
  const put = change.kind === "put" ? change : null;
  return {
    store: LEDGER_ID,
    version: change.version,
    modifiedAt: change.modifiedAt,
    versionVector: put?.versionVector ?? versionVector,
    document: put === null ? null : (JSON.parse(put.documentJson) as MemoryDocument),
    embedding: put?.embedding ?? null,
  };
}

/**
 * The newest version that all sides descend from: each includes its writes. It may be the ledger's own version, when the
 * other sides were built on it. A side without a version vector proves no descent, so there is no base then.
 */
export function baseOf(candidates: readonly Candidate[], history: readonly HistoricVersion[]): ConflictBase | null {
  if (candidates.length < 2) return null;
  const base = history.find((version) => candidates.every((candidate) => descendsFrom(candidate, version)));
  if (base === undefined) return null;
  return {
    version: base.version,
    document: base.documentJson === null ? null : (JSON.parse(base.documentJson) as MemoryDocument),
    embedding: base.embedding,
  };
}

function descendsFrom({ store, version, versionVector }: Candidate, base: HistoricVersion): boolean {
  if (versionVector === null) return false;
  const order = compareVectors(base.versionVector, versionVector);
  const isOlder = base.version < version || (store === LEDGER_ID && base.version === version);
  return isOlder && (order === "before" || order === "equal");
}
