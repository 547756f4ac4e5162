import { checksumOf, entryDigest } from "../../domain/checksum.ts";
import { keyText } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { LedgerFlaw, LedgerVersion } from "../../ledger/read-statements.ts";
import type { StoredEntry } from "../../stores/projection.ts";
import type { Finding } from "../check/report.ts";
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
import { MOVED } from "./republish.ts";

/** What can be done about a damaged row, and is proven to be right. */
interface Cure {
  /** What was done, for people. */
  readonly note: string;
  /** @returns false when the row is not as it was any more. */
  apply(signal: AbortSignal): Promise<boolean>;
}

/**
 * Mends the ledger's own damage where something proves what stood there: a copy in Redis that fits the recorded checksum,
 * the digest for a changed checksum, the checksum for a changed digest. What cannot be proven is left as it is.
 */
export async function mendLedger(
  parts: RepairerParts,
  findings: readonly Finding[],
  step: RepairStep,
): Promise<Verdict[]> {
  const { ledger, records, projections } = parts;
  const { signal } = step;
  const redis = projections.find((projection) => projection.id === "redis");
  const [versions, changes, copies, flaws] = await Promise.all([
    ledger.readVersions(findings, signal),
    ledger.readChanges(findings, signal),
    redis?.read(findings, { data: true }, signal) ?? [],
    ledger.readFlaws(findings, signal),
  ]);
  const flawed = new Map(flaws.map((flaw) => [keyText(flaw), flaw]));
  const verdicts = new Map<Finding, Verdict>();
  const work: Mending[] = [];
  for (const [index, finding] of findings.entries()) {
    const row = versions.get(keyText(finding));
    const flaw = flawed.get(keyText(finding));
    const change = changes.get(keyText(finding)) ?? null;
    if (row === undefined || row.version !== finding.expectedVersion || flaw === undefined) {
      verdicts.set(finding, deferred(MOVED));
      continue;
    }
    const cure = cureFor(parts, row, flaw, change, copies[index] ?? null);
    if (cure === null) verdicts.set(finding, failed(BEYOND_HELP));
    else if (step.dryRun) verdicts.set(finding, planned(cure.note));
    else work.push({ finding, change, cure });
  }
  if (work.length > 0) {
    const evidence = work.map(({ finding, change }) => ledgerEvidence(finding, change));
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

const BEYOND_HELP = "no copy fits the recorded checksum: restore it from a backup, or write the memory anew";

/** A row of the ledger that can be mended. */
interface Mending {
  readonly finding: Finding;
  readonly change: MemoryChange | null;
  readonly cure: Cure;
}

function cureFor(
  { ledger }: RepairerParts,
  row: LedgerVersion,
  flaw: LedgerFlaw,
  change: MemoryChange | null,
  copy: StoredEntry | null,
): Cure | null {
  const { version, checksum } = row;
  if (flaw.part === "digest") {
    return {
      note: "digest and bucket were computed anew",
      apply: (signal) => ledger.restoreDigest(row, version, signal),
    };
  }
  if (checksum === null) {
    return {
      note: "the deleted memory's document was removed",
      apply: (signal) => ledger.removeStrayDocument(row, signal),
    };
  }
  const data = copy?.state === "live" ? copy.data : undefined;
  if (data?.documentJson != null && checksumOf(data.documentJson, data.embedding) === checksum) {
    const { documentJson, embedding } = data;
    return {
      note: "restored from Redis, whose copy fits the checksum",
      apply: (signal) => ledger.restoreDocument(row, version, documentJson.toString(), embedding, signal),
    };
  }
  const computed = change?.kind === "put" ? checksumOf(change.documentJson, change.embedding) : null;
  if (change?.kind === "put" && computed !== null && entryDigest(row, version, computed) === change.digest) {
    return {
      note: "the recorded checksum was put back, which the digest proves",
      apply: (signal) => ledger.restoreChecksum(row, version, computed, signal),
    };
  }
  return null;
}

/** Mends row by row, and reads all of them back. */
async function mend(
  { ledger }: RepairerParts,
  work: readonly Mending[],
  signal: AbortSignal,
): Promise<readonly Verdict[]> {
  const done: boolean[] = [];
  for (const { cure } of work) done.push(await cure.apply(signal));
  const touched = work.filter((_, index) => done[index]).map(({ finding }) => finding);
  const flaws = touched.length === 0 ? [] : await ledger.readFlaws(touched, signal);
  const still = new Map(flaws.map((flaw) => [keyText(flaw), flaw.reason]));
  return work.map(({ finding, cure }, index) => {
    if (!done[index]) return deferred(MOVED);
    const reason = still.get(keyText(finding));
    return reason === undefined ? repaired(cure.note) : failed(`read back, ${reason}`);
  });
}
