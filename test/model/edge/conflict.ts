import type { IsBroken } from "./rules.ts";
import { type Base, breaks, type Change, type Edge, nextKey, type Row, type World } from "./world.ts";

/**
 * A change of the edge meets a version that it does not rest on. Returns whether it was a conflict, which either side may
 * win: any policy and any clock decide for one of the two.
 */
export function settle(
  world: World,
  edge: Edge,
  change: Change,
  current: Row,
  winner: "local" | "remote",
  isBroken: IsBroken,
): boolean {
  const device = world.edges.indexOf(edge);
  const base: Base = { epoch: edge.cursor.epoch, version: current.version, key: current.key };
  const isOwn = current.device === device && !isBroken("take the device's own change for another's");
  if (isOwn && current.key === change.key) {
    // It was applied, and its claim is gone.
    edge.base = base;
    edge.outbox.shift();
    if (edge.outbox[0] !== undefined) edge.outbox[0].base = base;
    return false;
  }
  // A withdrawal wins under every policy.
  const isTaken = current.edit === null && current.device !== device && !isBroken("let a policy win over a withdrawal");
  // An earlier change of this device, or the very version that the change was made on, known from another epoch.
  if (isOwn || (change.base?.key === current.key && !isTaken)) {
    rebase(edge, change, base);
    return false;
  }
  if (current.device === device) breaks(world, "7: a device is in conflict with itself");
  const isKept = !isBroken("drop the losing side of a conflict");
  if (winner === "local" && !isTaken) {
    if (isKept && current.edit !== null) keep(edge, current.edit);
    rebase(edge, change, base);
    return true;
  }
  if (isKept && edge.head !== null) keep(edge, edge.head);
  edge.outbox = [];
  take(world, edge, current, isBroken);
  return !isTaken;
}

/** What the memory shows now goes out as one change on the hub's current version, under a key of its own. */
function rebase(edge: Edge, change: Change, base: Base): void {
  const edit = change.edit === null ? null : edge.head;
  edge.base = base;
  edge.outbox = [{ key: nextKey(edge), edit, base, state: "unsent", attempts: 0 }];
}

function keep(edge: Edge, edit: string): void {
  edge.conflicts = [...new Set([...edge.conflicts, edit])].sort();
}

/** The memory becomes what the hub says. */
export function take(world: World, edge: Edge, row: Row, isBroken: IsBroken): void {
  const isSameEpoch = edge.base.epoch === edge.cursor.epoch;
  if (isSameEpoch && row.version < edge.base.version) breaks(world, "9: a version went back at the edge");
  edge.base = { epoch: edge.cursor.epoch, version: row.version, key: row.key };
  edge.own = null;
  edge.withdrawal = null;
  if (edge.head !== row.edit && isBroken("take a withheld content for an empty one")) edge.hasContent = false;
  edge.head = row.edit;
}
