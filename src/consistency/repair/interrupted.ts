import { keyText } from "../../domain/keys.ts";
import { IMPORT_ID, LEDGER_ID } from "../../domain/store-id.ts";
import type { ConflictRecord } from "../../ledger/conflict-statements.ts";
import { classify } from "../check/classify.ts";
import type { Ending } from "../reconcile/evidence.ts";
import type { RepairerParts } from "./repair-options.ts";

/** Records that are read at a time. */
const PAGE_SIZE = 200;

type SettleParts = Pick<RepairerParts, "ledger" | "records" | "projections" | "now">;

/**
 * Settles records that stayed `pending` although nothing is left to decide: their repair was interrupted after its work
 * was done, or the memory was written anew. Records whose difference persists are left to the next repair of the same
 * finding. Conflicts that await a decision stay pending.
 * @returns how many records of interrupted repairs are left.
 */
export async function settleInterrupted(parts: SettleParts, signal: AbortSignal): Promise<number> {
  let left = 0;
  for (let after = "0"; ; ) {
    const page = await parts.records.listConflicts({ state: "pending", after, limit: PAGE_SIZE }, signal);
    if (page.length > 0) left += await settlePage(parts, page, signal);
    if (page.length < PAGE_SIZE) return left;
    after = page.at(-1)?.id ?? after;
  }
}

async function settlePage(
  parts: SettleParts,
  records: readonly ConflictRecord[],
  signal: AbortSignal,
): Promise<number> {
  const { ledger, projections, now } = parts;
  const versions = await ledger.readVersions(records, signal);
  const settled = new Map<ConflictRecord, Ending>();
  const settle = (record: ConflictRecord, resolution: string): void => {
    settled.set(record, { state: "resolved", resolution });
  };
  const ofLedger = records.filter(({ store }) => store === LEDGER_ID);
  if (ofLedger.length > 0) {
    const flawed = new Set((await ledger.readFlaws(ofLedger, signal)).map(keyText));
    for (const record of ofLedger) if (!flawed.has(keyText(record))) settle(record, "the ledger's data fits again");
  }
  for (const projection of projections) {
    const own = records.filter(({ store }) => store === projection.id);
    if (own.length === 0) continue;
    const entries = await projection.read(own, { data: true }, signal);
    const changes = await ledger.readChanges(own, signal);
    own.forEach((record, index) => {
      const entry = entries[index] ?? null;
      if (classify(projection.traits, versions.get(keyText(record)), entry, now()) !== null) return;
      const change = changes.get(keyText(record));
      const comparable = entry?.state === "live" && change?.kind === "put" && entry.version === change.version;
      if (comparable && projection.flaw(entry, change) !== null) return;
      settle(record, "the store agrees with the ledger by now");
    });
  }
  // An import that was interrupted before its write is repeated by its caller; after it, its record has ended.
  for (const record of records) {
    if (record.store !== IMPORT_ID || awaitsDecision(record)) continue;
    if (versions.get(keyText(record))?.version !== record.ledgerVersion) settle(record, "the memory was written since");
  }
  const endings = [...settled].map(([{ id }, ending]) => ({ id, ...ending }));
  if (endings.length > 0) await parts.records.settleEvidence(endings, signal);
  const isLeft = (record: ConflictRecord): boolean => !settled.has(record) && !awaitsDecision(record);
  return records.filter((record) => isLeft(record) && record.store !== IMPORT_ID).length;
}

function awaitsDecision({ pendingBecause, strategy }: ConflictRecord): boolean {
  return pendingBecause !== null || strategy === "manual";
}
