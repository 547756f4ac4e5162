import type { IsBroken } from "./rules.ts";
import { isSame, type Store, type Version, type World } from "./world.ts";

/** Marks the world as broken. The first promise that breaks is the one that is reported. */
export function breaks(world: World, promise: string): void {
  world.broken ??= promise;
}

/**
 * One `publish` inside a store: compare and set, of this epoch only. Law 1: only committed versions are shown. Law 2: no version goes back.
 */
export function publishIn(
  world: World,
  store: Store,
  version: Version,
  isBroken: IsBroken,
): "applied" | "stale" | "refused" {
  if (version.epoch !== world.brands[store] && !isBroken("publish whatever the epoch of the store")) return "refused";
  if (!world.committed.some((committed) => isSame(committed, version))) {
    breaks(world, "1: a store shows a version that was never committed");
  }
  const held = world.stores[store];
  if (held !== null && held.version >= version.version && !isBroken("publish without comparing versions")) {
    return "stale";
  }
  if (held !== null && held.version > version.version) breaks(world, "2: a store went back");
  world.stores[store] = version;
  return "applied";
}

/**
 * What a `stale` answer is worth: the store must hold a version at least as new that this history knows, with the content
 * that it has there.
 */
export function standsInLedger(world: World, store: Store, version: Version): boolean {
  const held = world.stores[store];
  return (
    held !== null && held.version >= version.version && world.ledger.chain.some((committed) => isSame(committed, held))
  );
}

/** Publishes as a writer or the backlog does: the answer counts only where the store was read back. */
export function publishAndProve(
  world: World,
  store: Store,
  version: Version,
  isBroken: IsBroken,
): "applied" | "failed" {
  const answer = publishIn(world, store, version, isBroken);
  if (answer === "refused") return "failed";
  if (answer === "applied" || isBroken("take every stale answer for applied")) return "applied";
  return standsInLedger(world, store, version) ? "applied" : "failed";
}

/** Puts the ledger's row in place of what was found: the one way to overrule law 2, for what is proven to be drift. */
export function replaceIn(world: World, store: Store): void {
  world.stores[store] = world.ledger.row;
}
