import type { ConflictStrategy } from "../conflict/strategy.ts";
import type { RemoteSide } from "../consistency/reconcile/candidates.ts";
import { ledgerEvidence } from "../consistency/reconcile/evidence.ts";
import {
  type Reconciled,
  type ReconcileParts,
  type RemoteWrite,
  reconcile,
} from "../consistency/reconcile/reconcile.ts";
import { embeddingBytes } from "../domain/checksum.ts";
import { InternalError, type MnemosyncError } from "../domain/errors.ts";
import { keyText, plainKey } from "../domain/keys.ts";
import type { MemoryChange } from "../domain/memory.ts";
import { IMPORT_ID } from "../domain/store-id.ts";
import { compareVectors } from "../domain/version-vector.ts";
import type { EvidenceRecord } from "../ledger/conflict-statements.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { ImportedVersion } from "./read-record.ts";

export interface MemoryImportParts extends ReconcileParts {
  readonly ledger: Pick<LedgerStore, "readChanges" | "readHistory" | "readErasedKeys">;
  readonly log: Log;
}

/** How an import treats a memory that the ledger has with another content. */
export type ConflictPolicy =
  | { readonly kind: "skip" }
  | { readonly kind: "overwrite" }
  | { readonly kind: "strategy"; readonly strategy: ConflictStrategy };

/** The result for an imported memory. */
export type MemoryImport =
  | { readonly end: "skipped" | "deferred" }
  | { readonly end: "failed"; readonly error: MnemosyncError }
  | { readonly end: "written"; readonly outcome: SyncOutcome; readonly overwrites: boolean };

/** Times that other writes may move a memory on while a strategy decides about it. */
const MOVES_MAX = 5;

/** Conflicts that are read, decided and recorded at a time. */
const CONFLICTS_MAX = 100;

/**
 * Writes an imported memory as it was exported, or, where the ledger has another content, as the policy says.
 * @returns null: a strategy has to decide (`importConflicts`).
 */
export async function importMemory(
  { write }: Pick<MemoryImportParts, "write">,
  imported: ImportedVersion,
  policy: ConflictPolicy,
  signal: AbortSignal,
): Promise<MemoryImport | null> {
  const key = plainKey(imported);
  const { memory, modifiedAt, version, versionVector } = imported;
  const asExported = { key, memory, expectedVersion: null, modifiedAt, imported: { version, versionVector } };
  const outcome = await write(asExported, signal);
  if (outcome.status !== "conflict") return endOfWrite(outcome, false);
  if (policy.kind === "skip") return { end: "skipped" };
  if (policy.kind === "strategy") return null;
  // At the time of the write: the replaced version may be younger than the imported one, and times never go back.
  const asNewVersion = { key, memory, expectedVersion: null, modifiedAt: null, includes: versionVector };
  return endOfWrite(await write(asNewVersion, signal), true);
}

function endOfWrite(outcome: SyncOutcome, overwrites: boolean): MemoryImport {
  const { status, error = new InternalError("a write failed without a reason") } = outcome;
  if (status === "failed" || status === "conflict") return { end: "failed", error };
  return { end: "written", outcome, overwrites };
}

/** Has a strategy decide between imported memories and the ledger's. Conflicts that it leaves open await a person's decision. */
export async function importConflicts<Item extends { readonly version: ImportedVersion }>(
  parts: MemoryImportParts,
  items: readonly Item[],
  strategy: ConflictStrategy,
  signal: AbortSignal,
): Promise<ReadonlyMap<Item, MemoryImport>> {
  const results = new Map<Item, MemoryImport>();
  for (let start = 0; start < items.length; start += CONFLICTS_MAX) {
    let open = items.slice(start, start + CONFLICTS_MAX);
    for (let moves = 0; open.length > 0 && moves < MOVES_MAX; moves++) {
      const round = await decideOnce(parts, open, strategy, signal);
      for (const [item, result] of round) results.set(item, result);
      open = open.filter((item) => !round.has(item));
    }
    for (const item of open) results.set(item, { end: "deferred" });
  }
  return results;
}

/** @returns results, without those of memories that other writes moved on meanwhile. */
async function decideOnce<Item extends { readonly version: ImportedVersion }>(
  parts: MemoryImportParts,
  items: readonly Item[],
  strategy: ConflictStrategy,
  signal: AbortSignal,
): Promise<Map<Item, MemoryImport>> {
  const results = new Map<Item, MemoryImport>();
  const remotes = new Map<RemoteWrite, Item>();
  const keys = items.map(({ version }) => plainKey(version));
  const changes = await parts.ledger.readChanges(keys, signal);
  for (const item of items) {
    const { version: imported } = item;
    const current = changes.get(keyText(imported));
    if (current === undefined) {
      results.set(item, { end: "deferred" }); // Rows are never removed by the program, only by hand.
    } else if (current.kind === "put" && compareVectors(current.versionVector, imported.versionVector) === "after") {
      results.set(item, { end: "skipped" });
    } else {
      remotes.set(remoteWrite(imported, current), item);
    }
  }
  for (const [remote, result] of await reconcile(parts, [...remotes.keys()], strategy, { signal })) {
    const item = remotes.get(remote) as Item; // One result per remote write.
    const end = endOf(result);
    if (end !== null) results.set(item, end);
    const facts = { ...remote.key, strategy: strategy.name };
    if (result.end === "pending") {
      const { because: note, ids } = result;
      parts.log.warn({ ...facts, action: "pending", note, conflict: ids[0] }, "import.conflict_deferred");
    } else if (result.end === "ledger" || result.end === "written") {
      parts.log.info({ ...facts, action: result.action, note: result.note }, "import.conflict_resolved");
    }
  }
  return results;
}

/** Null: the memory was moved on, and is decided again. */
function endOf(result: Reconciled): MemoryImport | null {
  switch (result.end) {
    case "written":
      return { end: "written", outcome: result.outcome, overwrites: true };
    case "ledger":
      return { end: "skipped" };
    case "moved":
      return null;
    case "failed":
      return { end: "failed", error: result.error };
    default:
      return { end: "deferred" };
  }
}

function remoteWrite(imported: ImportedVersion, change: MemoryChange): RemoteWrite {
  const kind = imported.version > change.version ? "ahead" : "diverged";
  return {
    key: plainKey(imported),
    kind,
    change,
    sides: [importedSide(imported)],
    evidence: (stamp) => [{ ...evidenceOf(imported, change), ...stamp, kind }],
  };
}

function importedSide({ version, modifiedAt, versionVector, memory }: ImportedVersion): RemoteSide {
  const { document = null, embedding = null } = memory ?? {};
  const candidate = { store: IMPORT_ID, version, modifiedAt, versionVector, document, embedding };
  // At the time of the write: the replaced version may be younger than the imported one, and times never go back.
  return { candidate, memory, modifiedAt: null };
}

/** Both sides, as conflicts of the stores are recorded. */
function evidenceOf(
  imported: ImportedVersion,
  current: MemoryChange,
): Omit<EvidenceRecord, "kind" | "strategy" | "pendingBecause"> {
  const { version, versionVector, memory, modifiedAt } = imported;
  return {
    ...plainKey(imported),
    store: IMPORT_ID,
    foundVersion: version,
    foundState: memory === null ? "tombstone" : "live",
    foundChecksum: memory?.checksum ?? null,
    foundDocument: memory === null ? null : Buffer.from(memory.documentJson),
    foundEmbedding: memory?.embedding == null ? null : embeddingBytes(memory.embedding),
    foundVector: JSON.stringify(versionVector),
    foundModifiedAt: modifiedAt,
    ledgerVersion: current.version,
    ...ledgerEvidence(current.kind === "put" ? current : null),
    ledgerModifiedAt: current.modifiedAt,
    evidence: `an import brings version ${version}, and the ledger has version ${current.version} with another content`,
  };
}
