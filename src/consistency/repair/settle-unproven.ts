import type { ConflictStrategy } from "../../conflict/strategy.ts";
import { keyText, type MemoryKey, plainKey } from "../../domain/keys.ts";
import type { StoreId } from "../../domain/store-id.ts";
import type { CheckRecords } from "../../ledger/check-ledger.ts";
import type { LedgerStore } from "../../ledger/ledger.ts";
import type { Projection } from "../../stores/projection.ts";
import { classify } from "../check/classify.ts";
import type { DriftKind, Finding } from "../check/report.ts";
import type { Repairer } from "./repairer.ts";

export interface SettleParts {
  readonly ledger: Pick<LedgerStore, "readVersions">;
  readonly records: Pick<CheckRecords, "listConflicts">;
  readonly projections: readonly Projection[];
  readonly repairer: Pick<Repairer, "run">;
  readonly strategy: string | ConflictStrategy;
  /** Drift of other kinds is left alone. */
  readonly repairKinds: readonly DriftKind[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Settles memories for which a store answers `stale` although it holds a content that the ledger never assigned. It treats
 * them like findings (the strategy decides, both sides are recorded), without waiting for the next check.
 * @returns why a memory is not settled, by key text. A memory that awaits a person's decision counts as settled, because
 *   its record is pending.
 */
export async function settleUnproven(
  parts: SettleParts,
  store: StoreId,
  keys: readonly MemoryKey[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const { ledger, records, projections, repairer, strategy, repairKinds, now } = parts;
  const open = new Map<string, string>();
  const projection = projections.find(({ id }) => id === store);
  if (projection === undefined) return open;
  const entries = await projection.read(keys, { data: false }, signal);
  const rows = await ledger.readVersions(keys, signal);
  const findings: Finding[] = [];
  for (const [index, key] of keys.entries()) {
    const row = rows.get(keyText(key));
    const entry = entries[index] ?? null;
    const drift = classify(projection.traits, row, entry, now());
    if (drift === null) continue; // Repaired meanwhile.
    if (!repairKinds.includes(drift.kind)) {
      open.set(keyText(key), `${drift.evidence}; repairKinds leaves ${drift.kind} alone`);
      continue;
    }
    const foundVersion = entry === null || entry.state === "malformed" ? null : entry.version;
    const { kind, evidence } = drift;
    findings.push({ ...plainKey(key), store, kind, evidence, expectedVersion: row?.version ?? null, foundVersion });
  }
  if (findings.length === 0) return open;
  const { details } = await repairer.run({ findings }, { strategy, signal });
  for (const { namespace, memoryId, outcome, note } of details) {
    if (outcome === "repaired") continue;
    const filter = { state: "pending" as const, waiting: true, namespace, memoryId, limit: 1 };
    const [waiting] = await records.listConflicts(filter, signal);
    if (waiting === undefined) open.set(keyText({ namespace, memoryId }), note);
  }
  return open;
}
