import { embeddingBytes } from "../../domain/checksum.ts";
import type { MemoryChange, PutChange } from "../../domain/memory.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { EvidenceRecord } from "../../ledger/conflict-statements.ts";
import type { StoredEntry } from "../../stores/projection.ts";
import { CONFLICT_KINDS, type Finding } from "../check/report.ts";

/** The strategy that is recorded where the ledger is right by rule. */
export const LEDGER_WINS = "ledger_wins";

export interface EvidenceStamp {
  readonly strategy: string;
  /** Why the conflict awaits a decision; null when its repair follows at once. */
  readonly pendingBecause: string | null;
}

export const BY_RULE: EvidenceStamp = { strategy: LEDGER_WINS, pendingBecause: null };

/** How a conflict on record ended. */
export interface Ending {
  readonly state: "resolved" | "failed";
  readonly resolution: string;
}

/** An item of a repair, with the records of what its repair overwrites. */
export interface Evidenced<Item> {
  readonly item: Item;
  readonly evidence: readonly EvidenceRecord[];
}

/**
 * The order of every repair: record the evidence, act and read back (both in `act`), settle the records. A repair that is
 * killed in between leaves pending records, which the next run reuses.
 * @param endingOf null: the records stay pending.
 */
export async function withEvidence<Item, Result>(
  records: Pick<CheckRecords, "keepEvidence" | "settleEvidence">,
  work: readonly Evidenced<Item>[],
  act: (items: readonly Item[]) => Promise<ReadonlyMap<Item, Result>>,
  endingOf: (result: Result, item: Item) => Ending | null,
  signal: AbortSignal,
): Promise<ReadonlyMap<Item, Result>> {
  if (work.length === 0) return new Map();
  const ids = await records.keepEvidence(
    work.flatMap(({ evidence }) => evidence),
    signal,
  );
  const results = await act(work.map(({ item }) => item));
  let next = 0;
  const endings = work.flatMap(({ item, evidence }) => {
    const start = next;
    next += evidence.length;
    const result = results.get(item);
    const ending = result === undefined ? null : endingOf(result, item);
    return ending === null ? [] : ids.slice(start, next).map((id) => ({ id, ...ending }));
  });
  if (endings.length > 0) await records.settleEvidence(endings, signal);
  return results;
}

/** The record of a projection's entry before its repair; of both sides where both may be right. */
export function storeEvidence(
  finding: Finding,
  found: StoredEntry | null,
  change: MemoryChange | null,
  stamp: EvidenceStamp = BY_RULE,
): EvidenceRecord {
  const live = found?.state === "live" ? found : null;
  // Where the ledger wins by rule, its side stays where it is.
  const put = change?.kind === "put" && CONFLICT_KINDS.has(finding.kind) ? change : null;
  // Field by field: spreads of this many fields take ten times as long.
  return {
    namespace: finding.namespace,
    memoryId: finding.memoryId,
    store: finding.store,
    kind: finding.kind,
    strategy: stamp.strategy,
    pendingBecause: stamp.pendingBecause,
    foundVersion: finding.foundVersion,
    foundState: found?.state ?? null,
    foundChecksum: live?.checksum ?? null,
    foundDocument: found?.state === "malformed" ? (found.raw ?? null) : (live?.data?.documentJson ?? null),
    foundEmbedding: live?.data?.embedding ?? null,
    foundVector: live?.data?.versionVector ?? null,
    foundModifiedAt: live?.modifiedAt ?? null,
    ledgerVersion: finding.expectedVersion,
    ledgerChecksum: put?.checksum ?? null,
    ledgerDocument: put?.documentJson ?? null,
    ledgerEmbedding: put?.embedding ?? null,
    ledgerVector: put === null ? null : JSON.stringify(put.versionVector),
    ledgerModifiedAt: change?.modifiedAt ?? null,
    evidence: finding.evidence,
  };
}

/** The record of the ledger's own row before it is mended. */
export function damageEvidence(finding: Finding, change: MemoryChange | null): EvidenceRecord {
  const put = change?.kind === "put" ? change : null;
  return {
    ...named(finding),
    ...BY_RULE,
    foundState: put === null ? null : "live",
    foundChecksum: put?.checksum ?? null,
    foundDocument: put === null ? null : Buffer.from(put.documentJson),
    foundEmbedding: put?.embedding == null ? null : embeddingBytes(put.embedding),
    foundVector: put === null ? null : JSON.stringify(put.versionVector),
    foundModifiedAt: put?.modifiedAt ?? null,
    ...ledgerEvidence(null),
    ledgerModifiedAt: null,
  };
}

type LedgerSide = "ledgerChecksum" | "ledgerDocument" | "ledgerEmbedding" | "ledgerVector";

/** The ledger's side in a record. */
export function ledgerEvidence(put: PutChange | null): Pick<EvidenceRecord, LedgerSide> {
  return {
    ledgerChecksum: put?.checksum ?? null,
    ledgerDocument: put?.documentJson ?? null,
    ledgerEmbedding: put?.embedding ?? null,
    ledgerVector: put === null ? null : JSON.stringify(put.versionVector),
  };
}

function named({ namespace, memoryId, store, kind, expectedVersion, foundVersion, evidence }: Finding) {
  return { namespace, memoryId, store, kind, ledgerVersion: expectedVersion, foundVersion, evidence };
}
