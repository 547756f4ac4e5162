import { decide } from "../conflict/decide.ts";
import type { Candidate, Conflict, ConflictStrategy, Resolution } from "../conflict/strategy.ts";
import { embeddingBytes } from "../domain/checksum.ts";
import { keyText, plainKey } from "../domain/keys.ts";
import { type EncodedMemory, encodeMemory, type MemoryChange, type MemoryDocument } from "../domain/memory.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import { compareVectors } from "../domain/version-vector.ts";
import type { CheckRecords } from "../ledger/check-ledger.ts";
import type { EvidenceRecord } from "../ledger/conflict-statements.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { WriteIntent } from "../write/plan.ts";
import type { ImportedVersion } from "./read-record.ts";

export interface MemoryImportParts {
  /** Where what nobody decided waits for somebody. */
  readonly records: Pick<CheckRecords, "keepEvidence">;
  readonly ledger: Pick<Ledger, "readChanges">;
  /** Writes one intent as part of some chunk. */
  readonly write: (intent: WriteIntent, signal: AbortSignal) => Promise<SyncOutcome>;
  readonly validator: MemoryValidator;
  readonly strategyTimeoutMs: number;
  readonly log: Log;
}

/** What is done about a memory that is there with another content. */
export type ConflictPolicy =
  | { readonly kind: "skip" }
  | { readonly kind: "overwrite" }
  | { readonly kind: "strategy"; readonly strategy: ConflictStrategy };

/** What became of an imported memory. */
export type MemoryImport =
  | { readonly end: "skipped" | "deferred" }
  | { readonly end: "outcome"; readonly outcome: SyncOutcome; readonly overwrites: boolean };

/** Times that a memory may be written by others while a strategy decides about it. */
const MOVES_MAX = 5;

/** Writes an imported memory as it was exported, or, where the ledger has another content, does as the policy says. */
export async function importMemory(
  parts: MemoryImportParts,
  imported: ImportedVersion,
  policy: ConflictPolicy,
  signal: AbortSignal,
): Promise<MemoryImport> {
  const key = plainKey(imported);
  const { memory, modifiedAt, version, vector } = imported;
  const asExported = { key, memory, expectedVersion: null, modifiedAt, imported: { version, versionVector: vector } };
  const outcome = await parts.write(asExported, signal);
  if (outcome.status !== "conflict") return { end: "outcome", outcome, overwrites: false };
  if (policy.kind === "skip") return { end: "skipped" };
  // As of now: what is replaced may be younger than what the export brings, and versions never go back in time.
  const asNewVersion = { key, memory, expectedVersion: null, modifiedAt: null, includes: vector };
  if (policy.kind === "overwrite") {
    return { end: "outcome", outcome: await parts.write(asNewVersion, signal), overwrites: true };
  }
  return await decided(parts, imported, asNewVersion, policy.strategy, signal);
}

async function decided(
  parts: MemoryImportParts,
  imported: ImportedVersion,
  asNewVersion: WriteIntent,
  strategy: ConflictStrategy,
  signal: AbortSignal,
): Promise<MemoryImport> {
  for (let moves = 0; moves < MOVES_MAX; moves++) {
    const current = (await parts.ledger.readChanges([imported], signal)).get(keyText(imported));
    if (current === undefined) return { end: "deferred" }; // Rows are never removed; somebody did so by hand.
    if (current.kind === "put" && compareVectors(current.versionVector, imported.vector) === "after")
      return { end: "skipped" };
    const { strategyTimeoutMs: timeoutMs, validator, log } = parts;
    const resolution = await decide(strategy, conflictOf(imported, current), { timeoutMs, validator, signal });
    const facts = { ...plainKey(imported), strategy: strategy.name, action: resolution.action, note: resolution.note };
    if (resolution.action === "pending" || resolution.action === "remove") {
      const [id] = await parts.records.keepEvidence([evidenceOf(imported, current, strategy, resolution)], signal);
      log.warn({ ...facts, conflict: id }, "import.conflict_deferred");
      return { end: "deferred" };
    }
    log.info(facts, "import.conflict_resolved");
    if (resolution.action === "choose" && resolution.store === "postgres") return { end: "skipped" };
    const memory =
      resolution.action === "write"
        ? encodeMemory(imported, resolution.document, resolution.embedding)
        : imported.memory;
    const outcome = await parts.write({ ...asNewVersion, memory, expectedVersion: current.version }, signal);
    if (outcome.status !== "conflict") return { end: "outcome", outcome, overwrites: true };
  }
  return { end: "deferred" };
}

/** Both sides of what was not decided, as conflicts of the stores are kept. */
function evidenceOf(
  imported: ImportedVersion,
  current: MemoryChange,
  strategy: ConflictStrategy,
  { action, note }: Resolution,
): EvidenceRecord {
  const { version, vector, memory, modifiedAt } = imported;
  const own = current.kind === "put" ? current : null;
  const why = action === "remove" ? "the strategy would keep neither side" : "somebody has to decide";
  return {
    ...plainKey(imported),
    store: "import",
    kind: kindOf(imported, current),
    strategy: strategy.name,
    pendingBecause: note ?? why,
    foundVersion: version,
    foundState: memory === null ? "tombstone" : "live",
    foundChecksum: memory?.checksum ?? null,
    foundDocument: memory === null ? null : Buffer.from(memory.documentJson),
    foundEmbedding: memory?.embedding == null ? null : embeddingBytes(memory.embedding),
    foundVector: JSON.stringify(vector),
    foundModifiedAt: modifiedAt,
    ledgerVersion: current.version,
    ledgerChecksum: own?.checksum ?? null,
    ledgerDocument: own?.documentJson ?? null,
    ledgerEmbedding: own?.embedding ?? null,
    ledgerVector: own === null ? null : JSON.stringify(own.versionVector),
    ledgerModifiedAt: current.modifiedAt,
    evidence: `an import brings version ${version}, and the ledger has version ${current.version} with another content`,
  };
}

function kindOf(imported: ImportedVersion, current: MemoryChange): "ahead" | "diverged" {
  return imported.version > current.version ? "ahead" : "diverged";
}

function conflictOf(imported: ImportedVersion, current: MemoryChange): Conflict {
  return {
    ...plainKey(imported),
    kind: kindOf(imported, current),
    base: null,
    candidates: [ledgerSide(current), importSide(imported)],
  };
}

function ledgerSide(change: MemoryChange): Candidate {
  const { version, modifiedAt } = change;
  const deleted = {
    store: "postgres",
    version,
    modifiedAt,
    versionVector: null,
    document: null,
    embedding: null,
  } as const;
  if (change.kind === "tombstone") return deleted;
  const document = JSON.parse(change.documentJson) as MemoryDocument;
  return { ...deleted, versionVector: change.versionVector, document, embedding: change.embedding };
}

function importSide({ version, modifiedAt, vector, memory }: ImportedVersion): Candidate {
  const { document = null, embedding = null } = (memory ?? {}) as Partial<EncodedMemory>;
  return { store: "import", version, modifiedAt, versionVector: vector, document, embedding };
}
