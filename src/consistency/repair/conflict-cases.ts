import type { Candidate, Conflict, ConflictBase } from "../../conflict/strategy.ts";
import { checksumOf, embeddingFromBytes } from "../../domain/checksum.ts";
import { plainKey } from "../../domain/keys.ts";
import type { EncodedMemory, MemoryChange, MemoryDocument } from "../../domain/memory.ts";
import type { MemoryValidator } from "../../domain/schema.ts";
import { compareVectors, parseVector, type VersionVector } from "../../domain/version-vector.ts";
import type { HistoricVersion } from "../../ledger/history-statements.ts";
import type { LiveEntry, StoredEntry } from "../../stores/projection.ts";
import type { Finding } from "../check/report.ts";
import { isSound } from "./republish.ts";

/** What Redis holds of a memory, proven to be whole. */
export interface SoundCopy {
  readonly candidate: Candidate;
  readonly memory: EncodedMemory;
}

/**
 * What a copy says, when it is whole: its data fit its checksum, and it is a memory that could be written.
 * @returns why it is not, for people, where it is not.
 */
export function soundCopy(
  entry: StoredEntry | null,
  change: MemoryChange | null,
  validator: MemoryValidator,
): SoundCopy | string {
  if (entry === null) return "nothing is there";
  if (entry.state !== "live") return entry.state === "malformed" ? entry.reason : "a tombstone is there";
  const json = entry.data?.documentJson;
  if (json == null) return "it has no document";
  const bytes = entry.data?.embedding ?? null;
  let embedding = bytes === null ? null : embeddingFromBytes(bytes);
  if (checksumOf(json, embedding) !== entry.checksum) {
    // A Redis that is set up to hold no vectors leaves them to the ledger.
    const own = change?.kind === "put" ? change.embedding : null;
    if (bytes !== null || own === null || checksumOf(json, own) !== entry.checksum) {
      return "the data does not fit the checksum";
    }
    embedding = own;
  }
  let memory: EncodedMemory;
  try {
    const document = JSON.parse(json.toString()) as MemoryDocument;
    memory = validator.encode(validator.validate({ ...document, ...plainKey(entry), embedding }));
  } catch (error) {
    return `it is no memory that could be written: ${(error as Error).message}`;
  }
  if (memory.checksum !== entry.checksum) return "the document is not in canonical form";
  return { candidate: candidateOf(entry, memory), memory };
}

function candidateOf(entry: LiveEntry, memory: EncodedMemory): Candidate {
  return {
    store: "redis",
    version: entry.version,
    modifiedAt: entry.modifiedAt,
    versionVector: entry.data?.versionVector == null ? null : parseVector(entry.data.versionVector),
    document: memory.document,
    embedding: memory.embedding,
  };
}

/** The ledger's side; null where it does not know the memory, or its own data is damaged. */
export function ledgerCandidate(change: MemoryChange | null, versionVector: VersionVector | null): Candidate | null {
  if (change === null || !isSound(change)) return null;
  const put = change.kind === "put" ? change : null;
  return {
    store: "postgres",
    version: change.version,
    modifiedAt: change.modifiedAt,
    versionVector: put?.versionVector ?? versionVector,
    document: put === null ? null : (JSON.parse(put.documentJson) as MemoryDocument),
    embedding: put?.embedding ?? null,
  };
}

/** The conflict that a strategy is asked about. */
export function conflictOf(
  finding: Finding,
  candidates: readonly Candidate[],
  history: readonly HistoricVersion[],
): Conflict {
  return {
    ...plainKey(finding),
    kind: finding.kind as Conflict["kind"],
    base: baseOf(candidates, history),
    candidates,
  };
}

/**
 * The newest version that all sides go back to: included in the writes of each, and not itself what another side holds.
 * It may be the ledger's own, when the other side was built on it. A side without a version vector proves no descent, so
 * there is no base then.
 */
function baseOf(candidates: readonly Candidate[], history: readonly HistoricVersion[]): ConflictBase | null {
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
  const isOlder = base.version < version || (store === "postgres" && base.version === version);
  return isOlder && (order === "before" || order === "equal");
}
