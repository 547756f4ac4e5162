import { checksumOf, embeddingBytes, entryDigest } from "../../domain/checksum.ts";
import { keyText } from "../../domain/keys.ts";
import type { MemoryChange } from "../../domain/memory.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { LedgerFlaw, LedgerVersion } from "../../ledger/read-statements.ts";
import type { StoredEntry } from "../../stores/projection.ts";
import { canRestoreDocument } from "../../stores/traits.ts";
import type { Finding } from "../check/report.ts";
import { damageEvidence, withEvidence } from "../reconcile/evidence.ts";
import { MOVED } from "../reconcile/sides.ts";
import {
  deferred,
  endingOf,
  failed,
  planned,
  type RepairerParts,
  type RepairStep,
  repaired,
  type Verdict,
  type Verdicts,
} from "./repair-options.ts";

type MendParts = Pick<RepairerParts, "ledger" | "records" | "projections">;

/** A copy of a memory in a store that keeps documents. */
interface Copy {
  readonly store: StoreId;
  readonly entry: StoredEntry | null;
}

/** A proven way to mend a damaged row. */
interface Cure {
  /** The change, for people. */
  readonly note: string;
  /** @returns false when the row has changed meanwhile. */
  apply(signal: AbortSignal): Promise<boolean>;
}

/** A row of the ledger that can be mended. */
interface Mending {
  readonly finding: Finding;
  readonly cure: Cure;
}

const BEYOND_HELP = "no copy fits the recorded checksum: restore it from a backup, or write the memory anew";

const RENUMBER = "renumber it by hand (docs/operations.md, Versions beyond the cap)";

/**
 * Mends the ledger's own damage where something proves the original: a store's copy that fits the recorded checksum, the
 * digest for a changed checksum, the checksum for a changed digest. Damage without proof is left as it is.
 */
export async function mendLedger(
  parts: MendParts,
  findings: readonly Finding[],
  { dryRun, signal }: RepairStep,
): Promise<Verdicts> {
  const { ledger, records, projections } = parts;
  const [versions, changes, flaws, copies] = await Promise.all([
    ledger.readVersions(findings, signal),
    ledger.readChanges(findings, signal),
    ledger.readFlaws(findings, signal),
    Promise.all(
      projections
        .filter(({ traits }) => canRestoreDocument(traits))
        .map(async (store) => ({ id: store.id, entries: await store.read(findings, { data: true }, signal) })),
    ),
  ]);
  const flawed = new Map(flaws.map((flaw) => [keyText(flaw), flaw]));
  const verdicts: Verdicts = new Map();
  const work = [];
  for (const [index, finding] of findings.entries()) {
    const row = versions.get(keyText(finding));
    const flaw = flawed.get(keyText(finding));
    const change = changes.get(keyText(finding)) ?? null;
    if (row === undefined || row.version !== finding.expectedVersion || flaw === undefined) {
      verdicts.set(finding, deferred(MOVED));
      continue;
    }
    const held = copies.map(({ id, entries }): Copy => ({ store: id, entry: entries[index] ?? null }));
    if (flaw.part === "number") {
      verdicts.set(finding, failed(`${flaw.reason}: ${RENUMBER}`));
      continue;
    }
    const cure = cureFor(parts, row, flaw, change, held);
    if (cure === null) verdicts.set(finding, failed(BEYOND_HELP));
    else if (dryRun) verdicts.set(finding, planned(cure.note));
    else work.push({ item: { finding, cure }, evidence: [damageEvidence(finding, change)] });
  }
  const mended = await withEvidence(records, work, (items) => mend(parts, items, signal), endingOf, signal);
  for (const [{ finding }, verdict] of mended) verdicts.set(finding, verdict);
  return verdicts;
}

function cureFor(
  { ledger }: MendParts,
  row: LedgerVersion,
  flaw: LedgerFlaw,
  change: MemoryChange | null,
  copies: readonly Copy[],
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
  const put = change?.kind === "put" ? change : null;
  const own = put?.embedding == null ? null : embeddingBytes(put.embedding);
  for (const { store, entry } of copies) {
    const json = entry?.state === "live" ? (entry.data?.documentJson ?? null) : null;
    if (json === null || entry?.state !== "live") continue;
    // A store that holds no vectors may still have the document, and the ledger its vector.
    const embedding = [entry.data?.embedding ?? null, own].find((bytes) => checksumOf(json, bytes) === checksum);
    if (embedding === undefined) continue;
    return {
      note: `restored from ${store}, whose copy fits the checksum`,
      apply: (signal) => ledger.restoreDocument(row, version, json.toString(), embedding, signal),
    };
  }
  const computed = put === null ? null : checksumOf(put.documentJson, put.embedding);
  if (put !== null && computed !== null && entryDigest(row, version, computed) === put.digest) {
    return {
      note: "the recorded checksum was put back, which the digest proves",
      apply: (signal) => ledger.restoreChecksum(row, version, computed, signal),
    };
  }
  return null;
}

/** Mends row by row, and reads all of them back. */
async function mend(
  { ledger }: MendParts,
  work: readonly Mending[],
  signal: AbortSignal,
): Promise<ReadonlyMap<Mending, Verdict>> {
  const applied = new Set<Mending>();
  for (const item of work) if (await item.cure.apply(signal)) applied.add(item);
  const touched = [...applied].map(({ finding }) => finding);
  const flaws = touched.length === 0 ? [] : await ledger.readFlaws(touched, signal);
  const still = new Map(flaws.map((flaw) => [keyText(flaw), flaw.reason]));
  return new Map(
    work.map((item): [Mending, Verdict] => {
      if (!applied.has(item)) return [item, deferred(MOVED)];
      const reason = still.get(keyText(item.finding));
      return [item, reason === undefined ? repaired(item.cure.note) : failed(`read back, ${reason}`)];
    }),
  );
}
