import type { IsBroken } from "./rules.ts";
import { type Answer, breaks, closureOf, type Push, type Row, send, type World } from "./world.ts";

/** What may go wrong at the hub while it carries out a push. */
export type Mishap = "none" | "rejected" | "retry" | "killed between claim and change";

/** A push arrives: the hub carries it out and answers. */
export function receive(world: World, push: Push, mishap: Mishap, isBroken: IsBroken): void {
  const result = carryOut(world, push, mishap, isBroken);
  if (result === null) return;
  send(world, { kind: "answer", device: push.device, epoch: world.epoch, key: push.key, result });
}

/** The hub's transaction of one change: epoch, settled keys, claim, base, new version. Null: no answer. */
function carryOut(world: World, push: Push, mishap: Mishap, isBroken: IsBroken): Answer["result"] | null {
  if (push.epoch !== world.epoch && !isBroken("apply a push of another epoch")) return { status: "resync" };
  note(world, push);
  return decideOn(world, push, mishap, claimOf(world, push), floorOf(world, push), isBroken);
}

/** What the device calls settled is noted beside the transaction of its push, and waits for no other push. */
export function note(world: World, { device, epoch, settledThrough }: Push): void {
  if (epoch === world.epoch) settleThrough(world, device, settledThrough);
}

/** The transaction of a push begins: it holds the row of its memory, where there is one, and has read the claims. */
export function begin(world: World, push: Push): void {
  const [claim, floor] = [claimOf(world, push), floorOf(world, push)];
  world.begun = { push, claim, floor, hadRow: world.ledger.row !== null };
}

/** It goes on: reads the floor, decides and writes. What nobody could lock may be there by now: then it begins anew. */
export function goOn(world: World, isBroken: IsBroken): void {
  const { begun } = world;
  if (begun === null) return;
  world.begun = null;
  const { push, hadRow } = begun;
  const isRaced = !hadRow && world.ledger.row !== null;
  if (push.epoch !== world.epoch || isRaced) {
    receive(world, push, "none", isBroken);
    return;
  }
  const isTurned = isBroken("read the settled floor before the claims");
  const claim = isTurned ? claimOf(world, push) : begun.claim;
  const floor = isTurned ? begun.floor : floorOf(world, push);
  const result = decideOn(world, push, "none", claim, floor, isBroken);
  if (result === null) return;
  send(world, { kind: "answer", device: push.device, epoch: world.epoch, key: push.key, result });
}

function claimOf({ ledger }: World, { device, key }: Push): { readonly version: number } | null {
  return ledger.claims[device]?.find((each) => each.key === key) ?? null;
}

function floorOf({ ledger }: World, { device }: Push): number {
  return ledger.floors[device] as number;
}

function decideOn(
  world: World,
  push: Push,
  mishap: Mishap,
  claim: { readonly version: number } | null,
  floor: number,
  isBroken: IsBroken,
): Answer["result"] | null {
  const { ledger } = world;
  const { device, key } = push;
  if (claim !== null) return { status: "duplicate", version: claim.version };
  const isSettled = key <= floor;
  if (isSettled && !isBroken("apply a key that was settled")) return { status: "settled" };
  if (mishap === "rejected" || mishap === "retry") return { status: mishap };
  const current = ledger.row;
  if (current !== null && isInConflict(push, current, isBroken)) return { status: "conflict", current };

  const version = (current?.version ?? 0) + 1;
  const isUnknown = current === null && push.edit === null;
  const isSkipped = isUnknown && isBroken("withdraw an unknown memory without a version");
  const isCut = mishap === "killed between claim and change";
  if (!isSkipped && (!isCut || isBroken("claim the key after the transaction that applies the change"))) {
    apply(world, { version, key, device, edit: push.edit });
  }
  if (!isCut || isBroken("claim the key before the transaction that applies the change")) {
    ledger.claims[device]?.push({ key, version });
  }
  return isCut ? null : { status: "applied", version: isSkipped ? 0 : version };
}

/** A put needs the version that it was made on; a withdrawal wins over every other device's put, and over every base. */
function isInConflict({ device, edit, base }: Push, current: Row, isBroken: IsBroken): boolean {
  if (edit === null && !isBroken("withdraw only from the base")) return false;
  if (isBroken("apply a put whatever its base")) return false;
  const isWithdrawn = current.edit === null && current.device !== device;
  return isWithdrawn || (base ?? 0) !== current.version;
}

function apply(world: World, row: Row): void {
  const { ledger } = world;
  const former = ledger.row?.edit;
  ledger.row = row;
  const name = row.edit ?? `withdrawal ${row.key}`;
  if (ledger.applied.includes(name)) breaks(world, "1: a change was applied twice");
  ledger.applied.push(name);
  if (row.edit === null) {
    ledger.history = [];
    world.taken = [...new Set([...world.taken, ...ledger.applied])].sort();
    return;
  }
  const isKnown = former === null || former === undefined || closureOf([row.edit], world).has(former);
  const isKept = former && world.edges.some(({ conflicts }) => conflicts.includes(former));
  if (!isKnown && !isKept) breaks(world, "4: an edit was overwritten by one that did not know it, without a conflict");
  ledger.history.push(row.edit);
}

/** Claims end when their device calls them settled, and never by age. The floor only rises. */
function settleThrough({ ledger }: World, device: number, key: number): void {
  const floor = Math.max(ledger.floors[device] as number, key);
  ledger.floors[device] = floor;
  ledger.claims[device] = (ledger.claims[device] ?? []).filter((claim) => claim.key > floor);
}
