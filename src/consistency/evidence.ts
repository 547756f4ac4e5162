import type { EvidenceRecord } from "../ledger/check-statements.ts";
import { embeddingBytes } from "../memory/checksum.ts";
import type { MemoryChange } from "../memory/memory.ts";
import type { StoredEntry } from "../projections/projection.ts";
import type { Finding } from "./report.ts";

/** How findings are resolved until strategies choose otherwise. */
const LEDGER_WINS = "ledger_wins";

/** What is kept of a projection's entry before it is replaced. The ledger's vector stays where it is, unchanged. */
export function storeEvidence(
  finding: Finding,
  found: StoredEntry | null,
  change: MemoryChange | undefined,
): EvidenceRecord {
  const live = found?.state === "live" ? found : null;
  return {
    ...named(finding),
    foundState: found?.state ?? null,
    foundChecksum: live?.checksum ?? null,
    foundDocument: found?.state === "malformed" ? (found.raw ?? null) : (live?.data?.documentJson ?? null),
    foundEmbedding: live?.data?.embedding ?? null,
    foundVector: live?.data?.vector ?? null,
    ledgerDocument: change?.kind === "put" ? change.documentJson : null,
    ledgerEmbedding: null,
  };
}

/** What is kept of the ledger's own row before it is mended. */
export function ledgerEvidence(finding: Finding, change: MemoryChange | null): EvidenceRecord {
  const put = change?.kind === "put" ? change : null;
  return {
    ...named(finding),
    foundState: put === null ? null : "live",
    foundChecksum: put?.checksum ?? null,
    foundDocument: put === null ? null : Buffer.from(put.documentJson),
    foundEmbedding: put?.embedding == null ? null : embeddingBytes(put.embedding),
    foundVector: put === null ? null : JSON.stringify(put.vector),
    ledgerDocument: put?.documentJson ?? null,
    ledgerEmbedding: put?.embedding ?? null,
  };
}

function named(finding: Finding) {
  const { namespace, memoryId, store, kind, expectedVersion, foundVersion, evidence } = finding;
  return {
    namespace,
    memoryId,
    store,
    kind,
    strategy: LEDGER_WINS,
    ledgerVersion: expectedVersion,
    foundVersion,
    evidence,
  };
}
