import type { MemoryKey } from "../../domain/keys.ts";
import type { StoreId } from "../../domain/store-id.ts";

/**
 * How a store differs from the ledger:
 * - `missing`: the ledger has the memory, the store does not.
 * - `stale`: the store holds an older version.
 * - `ahead`: the store holds a version that the ledger never gave out.
 * - `diverged`: same version, other checksum.
 * - `corrupt`: the data does not fit its checksum, or is no entry at all.
 * - `orphan`: the ledger does not know the memory.
 * - `resurrected`: the ledger says that it is deleted, the store shows it.
 * - `foreign`: the memory's vector is of another model or dimension than the store's.
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

export function isDriftKind(kind: string): kind is DriftKind {
  return DRIFT_KINDS.some((known) => known === kind);
}

/** Kinds in which both sides may be right, so that a strategy decides. In all others the ledger is right. */
export const CONFLICT_KINDS: ReadonlySet<DriftKind> = new Set<DriftKind>(["ahead", "diverged", "orphan"]);

/**
 * - `quick`: what changed since the last quick pass, by version and checksum.
 * - `full`: every entry of all stores, in both directions, by version and checksum.
 * - `deep`: the data itself as well, read and hashed again, vectors bit by bit.
 */
export type CheckScope = "quick" | "full" | "deep";

export const CHECK_SCOPES: readonly CheckScope[] = ["quick", "full", "deep"];

/** One proven difference between a store and the ledger. */
export interface Finding extends MemoryKey {
  readonly store: StoreId;
  readonly kind: DriftKind;
  /** The ledger's version; null when it does not know the memory. */
  readonly expectedVersion: number | null;
  /** The store's version; null when it holds nothing, or nothing with a version. */
  readonly foundVersion: number | null;
  /** The observation, for people. */
  readonly evidence: string;
}

export interface ConsistencyReport {
  /** True only when everything that the scope covers was compared and nothing differs. */
  readonly clean: boolean;
  readonly scope: CheckScope;
  /** Stores that were compared, `postgres` among them when it was asked for. */
  readonly stores: readonly StoreId[];
  /** Memories of the ledger that were compared. */
  readonly checked: number;
  readonly findings: readonly Finding[];
  /** Memory id → stores in which it differs. Ids of several namespaces share an entry. */
  readonly byMemory: Readonly<Record<string, StoreId[]>>;
  /** True when there was more drift than a report holds: repair the listed findings, then check again. */
  readonly truncated: boolean;
  /** Memories that an evicting store does not hold, or that a store held in another layout: cache misses, no drift. */
  readonly misses: number;
  /** Milliseconds since 1970. Of the first run, where an interrupted check was resumed. */
  readonly startedAt: number;
  /** Whether it resumed an earlier, interrupted check. */
  readonly resumed: boolean;
}

/** Memory id → stores in which it differs. */
export function storesByMemory(findings: readonly Finding[]): Record<string, StoreId[]> {
  const byMemory: Record<string, StoreId[]> = Object.create(null);
  for (const { memoryId, store } of findings) {
    byMemory[memoryId] ??= [];
    const stores = byMemory[memoryId];
    if (!stores.includes(store)) stores.push(store);
  }
  return { ...byMemory };
}
