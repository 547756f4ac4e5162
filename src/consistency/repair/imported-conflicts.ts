import type { Resolution } from "../../conflict/strategy.ts";
import { embeddingFromBytes } from "../../domain/checksum.ts";
import { keyText, plainKey } from "../../domain/keys.ts";
import type { EncodedMemory, MemoryDocument } from "../../domain/memory.ts";
import { parseVector } from "../../domain/version-vector.ts";
import type { ConflictRecord } from "../../ledger/conflict-statements.ts";
import { deferred, failed, type RepairerParts, repaired, type Verdict } from "./repair-options.ts";

const WRITTEN_SINCE = "the memory was written since the import: import it again";

/**
 * Carries out what was decided about a memory that an import brought and that the ledger had with another content. Both
 * sides stand in the record: no store holds the imported one. Afterwards the record is settled, unless the write failed.
 */
export async function decideImported(
  parts: RepairerParts,
  record: ConflictRecord,
  resolution: Resolution,
  signal: AbortSignal,
): Promise<Verdict> {
  const settle = async (verdict: Verdict): Promise<Verdict> => {
    const state = verdict.outcome === "repaired" ? "resolved" : "failed";
    await parts.records.settleEvidence([{ id: record.id, state, resolution: verdict.note }], signal);
    return verdict;
  };
  const current = (await parts.ledger.readChanges([record], signal)).get(keyText(record));
  if ((current?.version ?? null) !== record.ledgerVersion) return await settle(deferred(WRITTEN_SINCE));
  if (resolution.action === "choose" && resolution.store === "postgres") {
    return await settle(repaired(`the ledger's version ${record.ledgerVersion} stays`));
  }
  const includes = record.foundVector === null ? null : parseVector(record.foundVector);
  const outcome = await parts.write(
    {
      key: plainKey(record),
      memory: winningMemory(parts, record, resolution),
      expectedVersion: record.ledgerVersion ?? 0,
      modifiedAt: null,
      ...(includes !== null && { includes }),
    },
    signal,
  );
  if (outcome.status === "failed") return failed(outcome.error?.message ?? "it could not be written");
  if (outcome.status === "conflict") return await settle(deferred(WRITTEN_SINCE));
  const won = resolution.action === "choose" ? "the imported content won" : "another content won";
  return await settle(repaired(`${won}; it is version ${outcome.version} of the ledger now`));
}

/** Null: the import brought a deletion. Checked like any memory that is written. @throws {ValidationError} */
function winningMemory(
  { validator }: RepairerParts,
  record: ConflictRecord,
  resolution: Resolution,
): EncodedMemory | null {
  if (resolution.action === "write") {
    const { document, embedding } = resolution;
    return validator.encode(validator.validate({ ...document, ...plainKey(record), embedding }));
  }
  if (record.foundDocument === null) return null;
  const document = JSON.parse(record.foundDocument.toString()) as MemoryDocument;
  const embedding = record.foundEmbedding && embeddingFromBytes(record.foundEmbedding);
  return validator.encode(validator.validate({ ...document, ...plainKey(record), embedding }));
}
