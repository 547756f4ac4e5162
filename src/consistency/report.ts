import type { StoreName } from "../errors.ts";
import type { MemoryKey } from "../memory/keys.ts";

/**
 * How a store differs from the ledger:
 * - `missing`: the ledger has the memory, the store does not.
 * - `stale`: the store holds an older version.
 * - `ahead`: the store holds a version that the ledger never gave out.
 * - `diverged`: same version, other checksum.
 * - `corrupt`: the data does not fit its checksum, or is no entry at all.
 * - `orphan`: the ledger does not know the memory.
 * - `resurrected`: the ledger says that it is deleted, the store shows it.
 * - `foreign`: a vector of another model or dimension than the index's.
 */
export type DriftKind = "missing" | "stale" | "ahead" | "diverged" | "corrupt" | "orphan" | "resurrected" | "foreign";

export const DRIFT_KINDS: readonly DriftKind[] = [
  "missing",
  "stale",
  "ahead",
  "diverged",
  "corrupt",
  "orphan",
  "resurrected",
  "foreign",
];

/** `full`: every entry of all three stores, in both directions, by version and checksum. `deep`: the data itself as well. */
export type CheckScope = "full" | "deep";

/** One proven difference between a store and the ledger. */
export interface Finding extends MemoryKey {
  readonly store: StoreName;
  readonly kind: DriftKind;
  /** What the ledger says; null when it does not know the memory. */
  readonly expectedVersion: number | null;
  /** What the store holds; null when it holds nothing, or nothing with a version. */
  readonly foundVersion: number | null;
  /** What was seen, for people. */
  readonly evidence: string;
}

export interface ConsistencyReport {
  /** True only when every store was looked at as a whole and nothing differs. */
  readonly clean: boolean;
  readonly scope: CheckScope;
  /** Memories of the ledger that were compared. */
  readonly checked: number;
  readonly findings: readonly Finding[];
  /** Memory id → stores in which it differs. Ids of several namespaces share an entry. */
  readonly byMemory: Readonly<Record<string, StoreName[]>>;
}

export function buildReport(scope: CheckScope, checked: number, findings: readonly Finding[]): ConsistencyReport {
  const byMemory: Record<string, StoreName[]> = Object.create(null);
  for (const { memoryId, store } of findings) {
    byMemory[memoryId] ??= [];
    const stores = byMemory[memoryId];
    if (!stores.includes(store)) stores.push(store);
  }
  return { clean: findings.length === 0, scope, checked, findings, byMemory: { ...byMemory } };
}
