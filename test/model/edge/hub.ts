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
  const { ledger } = world;
  const { device, key } = push;
  if (push.epoch !== world.epoch && !isBroken("apply a push of another epoch")) return { status: "resync" };
  settleThrough(world, device, push.settledThrough);
  const claim = ledger.claims[device]?.find((each) => each.key === key);
  if (claim !== undefined) return { status: "duplicate", version: claim.version };
  const isSettled = key <= (ledger.floors[device] as number);
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
