import { checksumOf } from "../memory/checksum.ts";
import { keyText } from "../memory/keys.ts";
import type { StoredEntry } from "../projections/projection.ts";
import { ledgerEvidence } from "./evidence.ts";
import {
  deferred,
  failed,
  planned,
  type RepairerParts,
  type RepairStep,
  repaired,
  type Verdict,
} from "./repair-options.ts";
import type { Finding } from "./report.ts";

/**
 * Mends the ledger's own damage: puts a document and vector back from Redis where the copy there fits the recorded
 * checksum, and removes the document that a deleted memory should not have. What cannot be proven is left as it is.
 */
export async function mendLedger(
  parts: RepairerParts,
  findings: readonly Finding[],
  step: RepairStep,
): Promise<Verdict[]> {
  const { ledger, records, projections } = parts;
  const { signal } = step;
  const redis = projections.find((projection) => projection.store === "redis");
  const [versions, changes, copies, flaws] = await Promise.all([
    ledger.readVersions(findings, signal),
    ledger.readChanges(findings, signal),
    redis?.read(findings, { data: true }, signal) ?? [],
    ledger.readFlaws(findings, signal),
  ]);
  const flawed = new Set(flaws.map(keyText));
  const verdicts: Verdict[] = [];
  for (const [index, finding] of findings.entries()) {
    const row = versions.get(keyText(finding));
    if (row === undefined || row.version !== finding.expectedVersion || !flawed.has(keyText(finding))) {
      verdicts.push(deferred("changed since the check: run it again"));
      continue;
    }
    const fitting = row.checksum === null ? null : fittingCopy(row.checksum, copies[index] ?? null);
    if (row.checksum !== null && fitting === null) {
      verdicts.push(failed("no copy fits the recorded checksum: restore it from a backup, or write the memory anew"));
      continue;
    }
    if (step.dryRun) {
      verdicts.push(planned(row.checksum === null ? STRAY_REMOVED : RESTORED));
      continue;
    }
    const [id] = await records.keepEvidence([ledgerEvidence(finding, changes.get(keyText(finding)) ?? null)], signal);
    const verdict =
      fitting === null
        ? await removeStray(parts, finding, signal)
        : await restore(parts, finding, row.version, fitting, signal);
    const state = verdict.outcome === "repaired" ? "resolved" : "failed";
    await records.settleEvidence([{ id: id as string, state, resolution: verdict.note }], signal);
    verdicts.push(verdict);
  }
  return verdicts;
}

const STRAY_REMOVED = "the deleted memory's document was removed";
const RESTORED = "restored from Redis, whose copy fits the checksum";

interface FittingCopy {
  readonly documentJson: string;
  readonly embedding: Buffer | null;
}

function fittingCopy(checksum: string, copy: StoredEntry | null): FittingCopy | null {
  const data = copy?.state === "live" ? copy.data : undefined;
  if (data?.documentJson == null || checksumOf(data.documentJson, data.embedding) !== checksum) return null;
  return { documentJson: data.documentJson.toString(), embedding: data.embedding };
}

async function removeStray({ ledger }: RepairerParts, finding: Finding, signal: AbortSignal): Promise<Verdict> {
  const removed = await ledger.removeStrayDocument(finding, signal);
  return removed ? repaired(STRAY_REMOVED) : deferred("nothing left to remove");
}

async function restore(
  { ledger }: RepairerParts,
  finding: Finding,
  version: number,
  { documentJson, embedding }: FittingCopy,
  signal: AbortSignal,
): Promise<Verdict> {
  const restored = await ledger.restoreDocument(finding, version, documentJson, embedding, signal);
  if (!restored) return deferred("changed since the check: run it again");
  const [still] = await ledger.readFlaws([finding], signal);
  return still === undefined ? repaired(RESTORED) : failed(`read back, ${still.reason}`);
}
