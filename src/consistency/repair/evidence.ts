import { embeddingBytes } from "../../domain/checksum.ts";
import type { MemoryChange, PutChange } from "../../domain/memory.ts";
import type { EvidenceRecord } from "../../ledger/conflict-statements.ts";
import type { StoredEntry } from "../../stores/projection.ts";
import { CONFLICT_KINDS, type Finding } from "../check/report.ts";

/** Who decided where the ledger is right by rule. */
export const LEDGER_WINS = "ledger_wins";

export interface EvidenceStamp {
  readonly strategy: string;
  /** Why it waits for somebody; null when its repair follows at once. */
  readonly pendingBecause: string | null;
}

/** What is kept of a projection's entry before anything is done about it; of both sides where both may be right. */
export function storeEvidence(
  finding: Finding,
  found: StoredEntry | null,
  change: MemoryChange | null,
  stamp: EvidenceStamp = { strategy: LEDGER_WINS, pendingBecause: null },
): EvidenceRecord {
  const live = found?.state === "live" ? found : null;
  // Where the ledger wins by rule its side stays where it is.
  const put = change?.kind === "put" && CONFLICT_KINDS.has(finding.kind) ? change : null;
  return {
    ...named(finding),
    ...stamp,
    foundState: found?.state ?? null,
    foundChecksum: live?.checksum ?? null,
    foundDocument: found?.state === "malformed" ? (found.raw ?? null) : (live?.data?.documentJson ?? null),
    foundEmbedding: live?.data?.embedding ?? null,
    foundVector: live?.data?.versionVector ?? null,
    foundModifiedAt: live?.modifiedAt ?? null,
    ...ledgerSide(put),
    ledgerModifiedAt: change?.modifiedAt ?? null,
  };
}

/** What is kept of the ledger's own row before it is mended. */
export function ledgerEvidence(finding: Finding, change: MemoryChange | null): EvidenceRecord {
  const put = change?.kind === "put" ? change : null;
  return {
    ...named(finding),
    strategy: LEDGER_WINS,
    pendingBecause: null,
    foundState: put === null ? null : "live",
    foundChecksum: put?.checksum ?? null,
    foundDocument: put === null ? null : Buffer.from(put.documentJson),
    foundEmbedding: put?.embedding == null ? null : embeddingBytes(put.embedding),
    foundVector: put === null ? null : JSON.stringify(put.versionVector),
    foundModifiedAt: put?.modifiedAt ?? null,
    ...ledgerSide(null),
    ledgerModifiedAt: null,
  };
}

function ledgerSide(put: PutChange | null) {
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
