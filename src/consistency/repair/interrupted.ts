import { keyText } from "../../domain/keys.ts";
import type { ConflictRecord } from "../../ledger/conflict-statements.ts";
import { classify } from "../check/classify.ts";
import type { RepairerParts } from "./repair-options.ts";

/** Records that are looked at at a time. */
const PAGE_SIZE = 200;

/**
 * Settles records that stayed `pending` although nothing is left to decide: their repair was cut short after it had
 * done its work, or the memory was written anew. Those whose difference stands are left: the repair of the same finding
 * goes on with them, and what waits for somebody waits on.
 * @returns how many of those whose repair was cut short are left.
 */
export async function settleInterrupted(parts: RepairerParts, signal: AbortSignal): Promise<number> {
  let left = 0;
  for (let after = "0"; ; ) {
    const page = await parts.records.listConflicts({ state: "pending", after, limit: PAGE_SIZE }, signal);
    if (page.length > 0) left += await settlePage(parts, page, signal);
    if (page.length < PAGE_SIZE) return left;
    after = page.at(-1)?.id ?? after;
  }
}

async function settlePage(
  parts: RepairerParts,
  records: readonly ConflictRecord[],
  signal: AbortSignal,
): Promise<number> {
  const { ledger, projections, now } = parts;
  const versions = await ledger.readVersions(records, signal);
  const endings: { id: string; state: "resolved"; resolution: string }[] = [];
  const settle = (record: ConflictRecord, resolution: string): void => {
    endings.push({ id: record.id, state: "resolved", resolution });
  };
  const ofLedger = records.filter(({ store }) => store === "postgres");
  if (ofLedger.length > 0) {
    const flawed = new Set((await ledger.readFlaws(ofLedger, signal)).map(keyText));
    for (const record of ofLedger) if (!flawed.has(keyText(record))) settle(record, "the ledger's data fits again");
  }
  for (const projection of projections) {
    const mine = records.filter(({ store }) => store === projection.id);
    if (mine.length === 0) continue;
    const entries = await projection.read(mine, { data: true }, signal);
    const changes = await ledger.readChanges(mine, signal);
    mine.forEach((record, index) => {
      const entry = entries[index] ?? null;
      if (classify(projection.traits, versions.get(keyText(record)), entry, now()) !== null) return;
      const change = changes.get(keyText(record));
      const comparable = entry?.state === "live" && change?.kind === "put" && entry.version === change.version;
      if (comparable && projection.flaw(entry, change) !== null) return;
      settle(record, "the store agrees with the ledger by now");
    });
  }
  if (endings.length > 0) await parts.records.settleEvidence(endings, signal);
  const settled = new Set(endings.map(({ id }) => id));
  const waits = ({ pendingBecause, strategy }: ConflictRecord): boolean =>
    pendingBecause !== null || strategy === "manual";
  return records.filter((record) => !settled.has(record.id) && !waits(record)).length;
}
