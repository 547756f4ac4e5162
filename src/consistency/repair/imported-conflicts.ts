import type { ConflictStrategy, Resolution } from "../../conflict/strategy.ts";
import { embeddingFromBytes } from "../../domain/checksum.ts";
import { keyText, plainKey } from "../../domain/keys.ts";
import type { MemoryDocument } from "../../domain/memory.ts";
import { parseVector } from "../../domain/version-vector.ts";
import type { ConflictRecord } from "../../ledger/conflict-statements.ts";
import type { RemoteSide } from "../reconcile/candidates.ts";
import type { Ending } from "../reconcile/evidence.ts";
import { type RemoteWrite, reconcile } from "../reconcile/reconcile.ts";
import { deferred, endingOf, failed, type RepairerParts, repaired, type Verdict } from "./repair-options.ts";

const WRITTEN_SINCE = "the memory was written since the import: import it again";

/**
 * Carries out a person's decision about a memory that an import brought and that the ledger had with another content. The
 * record has both sides, and is the only copy of the imported one. It is settled, unless the write failed.
 */
export async function decideImported(
  parts: Pick<RepairerParts, "ledger" | "records" | "projections" | "validator" | "write" | "strategyTimeoutMs">,
  record: ConflictRecord,
  resolution: Resolution,
  strategyName: string,
  signal: AbortSignal,
): Promise<Verdict> {
  const settle = async (verdict: Verdict): Promise<Verdict> => {
    const ending: Ending = endingOf(verdict);
    await parts.records.settleEvidence([{ id: record.id, ...ending }], signal);
    return verdict;
  };
  const change = (await parts.ledger.readChanges([record], signal)).get(keyText(record)) ?? null;
  if ((change?.version ?? null) !== record.ledgerVersion) return await settle(deferred(WRITTEN_SINCE));
  const strategy: ConflictStrategy = { name: strategyName, resolve: () => resolution };
  const { ledgerEmbedding, ...kept } = record;
  const remote: RemoteWrite = {
    key: plainKey(record),
    kind: record.kind === "ahead" ? "ahead" : "diverged",
    change,
    sides: [importedSide(parts, record)],
    evidence: () => [
      { ...kept, strategy: strategyName, ledgerEmbedding: ledgerEmbedding && embeddingFromBytes(ledgerEmbedding) },
    ],
    isLastCopy: true,
  };
  const result = (await reconcile(parts, [remote], strategy, { signal })).get(remote);
  switch (result?.end) {
    case "written":
      return repaired(result.note);
    case "ledger":
      return await settle(repaired(`the ledger's version ${record.ledgerVersion} stays`));
    case "moved":
      return deferred(WRITTEN_SINCE);
    case "failed":
      return failed(result.error.message);
    default:
      return deferred(result?.end === "pending" ? result.because : "it was not decided");
  }
}

/** Checked like any memory that is written. @throws {ValidationError} */
function importedSide({ validator }: Pick<RepairerParts, "validator">, record: ConflictRecord): RemoteSide {
  const { store, foundVersion, foundModifiedAt, foundVector, foundDocument, foundEmbedding } = record;
  const json = foundDocument?.toString() ?? null;
  const document = json === null ? null : (JSON.parse(json) as MemoryDocument); // The validator says whether it is one.
  const embedding = foundEmbedding && embeddingFromBytes(foundEmbedding);
  const memory = document && validator.encode(validator.validate({ ...document, ...plainKey(record), embedding }));
  const candidate = {
    store,
    version: foundVersion ?? 0,
    modifiedAt: foundModifiedAt,
    versionVector: foundVector === null ? null : parseVector(foundVector),
    document: memory?.document ?? null,
    embedding: memory?.embedding ?? null,
  };
  return { candidate, memory, modifiedAt: null };
}
