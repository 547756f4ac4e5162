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
import { MOVED } from "./republish.ts";

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
  const verdicts = new Map<Finding, Verdict>();
  const work: Mending[] = [];
  for (const [index, finding] of findings.entries()) {
    const row = versions.get(keyText(finding));
    if (row === undefined || row.version !== finding.expectedVersion || !flawed.has(keyText(finding))) {
      verdicts.set(finding, deferred(MOVED));
      continue;
    }
    const copy = row.checksum === null ? null : fittingCopy(row.checksum, copies[index] ?? null);
    if (row.checksum !== null && copy === null) {
      verdicts.set(
        finding,
        failed("no copy fits the recorded checksum: restore it from a backup, or write the memory anew"),
      );
    } else if (step.dryRun) {
      verdicts.set(finding, planned(copy === null ? STRAY_REMOVED : RESTORED));
    } else {
      work.push({ finding, version: row.version, copy });
    }
  }
  if (work.length > 0) {
    const evidence = work.map(({ finding }) => ledgerEvidence(finding, changes.get(keyText(finding)) ?? null));
    const ids = await records.keepEvidence(evidence, signal);
    const mended = await mend(parts, work, signal);
    const endings = work.map(({ finding }, index) => {
      const verdict = mended[index] as Verdict;
      verdicts.set(finding, verdict);
      const state = verdict.outcome === "repaired" ? ("resolved" as const) : ("failed" as const);
      return { id: ids[index] as string, state, resolution: verdict.note };
    });
    await records.settleEvidence(endings, signal);
  }
  return findings.map((finding) => verdicts.get(finding) as Verdict);
}

/** A row of the ledger that can be mended: from a copy, or (null) by removing what a deletion left behind. */
interface Mending {
  readonly finding: Finding;
  readonly version: number;
  readonly copy: FittingCopy | null;
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

/** Mends row by row, and reads all of them back. */
async function mend(
  { ledger }: RepairerParts,
  work: readonly Mending[],
  signal: AbortSignal,
): Promise<readonly Verdict[]> {
  const done: boolean[] = [];
  for (const { finding, version, copy } of work) {
    done.push(
      copy === null
        ? await ledger.removeStrayDocument(finding, signal)
        : await ledger.restoreDocument(finding, version, copy.documentJson, copy.embedding, signal),
    );
  }
  const touched = work.filter((_, index) => done[index]).map(({ finding }) => finding);
  const flaws = touched.length === 0 ? [] : await ledger.readFlaws(touched, signal);
  const still = new Map(flaws.map((flaw) => [keyText(flaw), flaw.reason]));
  return work.map(({ finding, copy }, index) => {
    if (!done[index]) return deferred(copy === null ? "nothing left to remove" : MOVED);
    const reason = still.get(keyText(finding));
    if (reason !== undefined) return failed(`read back, ${reason}`);
    return repaired(copy === null ? STRAY_REMOVED : RESTORED);
  });
}
