import { LEDGER_ID, type StoreId } from "../domain/store-id.ts";
import type { HealthReport } from "../runtime/health-monitor.ts";

export const CAPABILITIES = ["read", "write", "search"] as const;

/** What a synchronizer can do for its callers at the moment. */
export type Capability = (typeof CAPABILITIES)[number];

/** What capabilities hang on beside the stores' health. */
export interface CapabilityNeeds {
  readonly onStoreDown: "degrade" | "reject";
  /** Ids; null where there is none. */
  readonly cache: StoreId | null;
  readonly vectorIndex: StoreId | null;
}

type Health = Readonly<Record<StoreId, Pick<HealthReport, "state" | "checks">>>;

/**
 * What the stores' last health checks leave possible. A store without a check yet counts as available.
 *
 * - `read` needs the ledger or the cache: with the cache alone, memories that are not in it cannot be read.
 * - `write` needs the ledger; under `onStoreDown: "reject"` every other store too.
 * - `search` needs a vector index, and what `read` needs.
 */
export function capabilitiesOf(
  health: Health,
  { onStoreDown, cache, vectorIndex }: CapabilityNeeds,
): Readonly<Record<Capability, boolean>> {
  const isUp = (store: StoreId): boolean => {
    const report = health[store];
    return report !== undefined && !(report.state === "down" && report.checks > 0);
  };
  const read = isUp(LEDGER_ID) || (cache !== null && isUp(cache));
  const others = Object.keys(health).filter((store) => store !== LEDGER_ID);
  const write = isUp(LEDGER_ID) && (onStoreDown === "degrade" || others.every(isUp));
  return { read, write, search: read && vectorIndex !== null && isUp(vectorIndex) };
}
