import { LEDGER_ID, type StoreId } from "../../domain/store-id.ts";
import type { Eviction, Projection } from "../../stores/projection.ts";
import type { CheckerParts } from "./check-options.ts";
import type { Pace } from "./pace.ts";

/** A projection that a check compares with the ledger. */
export interface CheckedStore {
  readonly projection: Projection;
  /** Which entries it may drop by itself. */
  readonly eviction: Eviction;
}

/** What the parts of one check share. */
export interface CheckContext {
  readonly parts: CheckerParts;
  /** The name under which its progress is kept. */
  readonly name: string;
  /** Projections, in the order of registration. */
  readonly checked: readonly CheckedStore[];
  /** Whether a deep check looks at the ledger's own data too. */
  readonly ledgerToo: boolean;
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

/** Ids of all stores that a check looks at, the ledger first. */
export function storeIds({ checked, ledgerToo }: Pick<CheckContext, "checked" | "ledgerToo">): StoreId[] {
  return [...(ledgerToo ? [LEDGER_ID] : []), ...checked.map(({ projection }) => projection.id)];
}
