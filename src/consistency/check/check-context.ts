import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import type { Eviction, Projection } from "../../stores/projection.ts";
import type { CheckerParts } from "./check-options.ts";
import type { Pace } from "./pace.ts";

/** A projection that a check compares with the ledger. */
export interface CheckedStore {
  readonly projection: Projection;
  /** The entries that the projection may evict. */
  readonly eviction: Eviction;
}

/** The shared context of the parts of one check. */
export interface CheckContext {
  readonly parts: CheckerParts;
  /** The key of the check's progress record. */
  readonly name: string;
  /** Projections, in the order of registration. */
  readonly checked: readonly CheckedStore[];
  /** Whether a deep check verifies the ledger's own data too. */
  readonly ledgerToo: boolean;
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

/** Ids of all stores that a check compares, the ledger first. */
export function storeIds({ checked, ledgerToo }: Pick<CheckContext, "checked" | "ledgerToo">): StoreId[] {
  return [...(ledgerToo ? [LEDGER_ID] : []), ...checked.map(({ projection }) => projection.id)];
}
