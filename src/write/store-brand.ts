import type { PastLedger } from "../ledger/past-ledger.ts";
import type { Log } from "../runtime/log.ts";
import type { StoreOwner, StoreStanding } from "../stores/projection.ts";
import { doubted, judgeBrand, type LedgerSide, ownerOf, type Verdict } from "./store-verdict.ts";
import type { WatchedProjection } from "./watched-projection.ts";

/** What the brand of a store needs beside the store. */
export interface BrandParts {
  readonly past: Pick<PastLedger, "confirmStore" | "mark">;
  readonly log: Log;
}

/** Judges a store by its brand. Leaves the ledger's brand where there is none, or one of an earlier epoch. */
export async function judgeStore(
  projection: WatchedProjection,
  { brand, life }: StoreStanding,
  ledger: LedgerSide,
  parts: BrandParts,
  signal: AbortSignal,
): Promise<Verdict> {
  if (brand === null) return await claim(projection, life, ledger, parts, signal);
  const verdict = judgeBrand(projection.id, brand, life, ledger);
  if (verdict.state === "doubted" && brand.owner.epoch !== ledger.name.epoch) {
    await rebrand(projection, brand.owner, ledger, parts, signal);
  }
  return verdict;
}

/**
 * Has a store of an earlier epoch bear the present one, before it is compared: from then on it refuses what was committed
 * in the earlier one and is published late. Without a mark: it stays doubted until it was compared.
 */
async function rebrand(
  projection: WatchedProjection,
  found: StoreOwner,
  { name }: LedgerSide,
  { log }: BrandParts,
  signal: AbortSignal,
): Promise<void> {
  try {
    await projection.brand(found, { owner: ownerOf(name), mark: "" }, signal);
  } catch (error) {
    // The store takes no writes at the moment: the next look tries again.
    log.debug({ store: projection.id, error: (error as Error).message }, "store.brand_failed");
  }
}

/** Leaves a brand where there is none, so that no other ledger takes the store. */
async function claim(
  projection: WatchedProjection,
  life: string | null,
  { name, record }: LedgerSide,
  { past, log }: BrandParts,
  signal: AbortSignal,
): Promise<Verdict> {
  const { id: store } = projection;
  const owner = ownerOf(name);
  const isNew = record.mark === null;
  // A store that drops any entry may have dropped the brand: in the same life nothing else was lost unseen.
  const isDropped = record.life !== null && record.life === life && (await projection.eviction?.(signal)) === "all";
  try {
    const mark = isNew ? await past.mark(signal) : isDropped ? (record.mark ?? "") : "";
    // Another ledger may have been faster: then the next look says so, and until then nothing is shown.
    if (!(await projection.brand(null, { owner, mark }, signal))) return doubted("emptied");
    if (isNew) await past.confirmStore(store, { life: null, mark, compared: false }, signal);
  } catch (error) {
    // One of the two takes no writes at the moment: the next look tries again.
    log.debug({ store, error: (error as Error).message }, "store.brand_failed");
  }
  return isNew || isDropped ? { state: "trusted" } : doubted("emptied");
}
