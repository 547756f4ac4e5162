import { settle } from "./conflict.ts";
import type { IsBroken } from "./rules.ts";
import {
  type Answer,
  ATTEMPTS_MAX,
  type Base,
  breaks,
  type Change,
  closureOf,
  type Edge,
  edgeOf,
  editOf,
  nextKey,
  send,
  type World,
} from "./world.ts";

/** The user's next action: the memory and its outbox change in one transaction. */
export function act(world: World, device: number, item: string, isBroken: IsBroken): void {
  const edge = edgeOf(world, device);
  edge.done += 1;
  if (item === "local") raisePrivacy(world, edge, isBroken);
  else write(world, edge, item, isBroken);
}

function write(world: World, edge: Edge, item: string, isBroken: IsBroken): void {
  const edit = editOf(item);
  world.knows[edit] = [...closureOf(edge.head === null ? [] : [edge.head], world)].sort();
  edge.head = edit;
  edge.own = null;
  if (item.startsWith("full ")) edge.isLocalOnly = false;
  if (edge.isLocalOnly) {
    edge.withheld = [...edge.withheld, edit].sort();
    return;
  }
  const last = edge.outbox.at(-1);
  if (last !== undefined && coalesces(last, isBroken)) {
    last.edit = edit;
    return;
  }
  if (last?.state === "failed") edge.outbox.pop(); // It is the only change of its memory: see `fail`.
  const base = edge.outbox.length === 0 ? (last?.base ?? edge.base) : null;
  edge.outbox.push({ key: nextKey(edge), edit, base, state: "unsent", attempts: 0 });
}

function coalesces(last: Change, isBroken: IsBroken): boolean {
  if (last.edit === null) return false; // A withdrawal stays what it is.
  if (last.state === "unsent" || isBroken("coalesce an edit into a sent change")) return true;
  return last.attempts > 0 && isBroken("coalesce an edit into a change that was answered with retry");
}

/** Nothing of the memory leaves the device again, not even repeated; what may have left it is withdrawn. */
function raisePrivacy(world: World, edge: Edge, isBroken: IsBroken): void {
  edge.isLocalOnly = true;
  edge.own = null;
  const mine = closureOf(edge.head === null ? [] : [edge.head], world);
  edge.withheld = [...new Set([...edge.withheld, ...mine])].sort();
  if (!isBroken("send the change of a memory that became local_only")) edge.outbox = [];
  const mayBeThere = edge.wasSent && !isBroken("withdraw only what was acknowledged");
  if (!mayBeThere && edge.base.version === 0) return;
  const key = nextKey(edge);
  const base = edge.outbox.length === 0 ? edge.base : null;
  edge.outbox.push({ key, edit: null, base, state: "unsent", attempts: 0 });
  edge.withdrawal = key;
}

/** Freezes the first change of the memory, durably, and sends it. */
export function push(world: World, device: number, isBroken: IsBroken): void {
  const edge = edgeOf(world, device);
  const change = edge.outbox[0] as Change;
  const base = change.base as Base;
  change.state = "sent";
  edge.wasSent = true;
  edge.asking = change.key;
  if (change.edit !== null && edge.withheld.includes(change.edit)) breaks(world, "5: withheld content was sent");
  const isKnown = base.epoch === edge.cursor.epoch || isBroken("keep the base of another epoch");
  send(world, {
    kind: "push",
    device,
    epoch: edge.cursor.epoch,
    settledThrough: settledThrough(edge, isBroken),
    key: change.key,
    edit: change.edit,
    base: isKnown ? base.version : null,
  });
}

/** Every key below those that may still be sent. */
function settledThrough(edge: Edge, isBroken: IsBroken): number {
  const open = edge.outbox.filter(
    ({ attempts }) => attempts === 0 || !isBroken("call a change settled that was answered with retry"),
  );
  return Math.min(edge.lastKey, ...open.map(({ key }) => key - 1));
}

/**
 * What an answer changes, in one transaction. An answer may come twice, late, or for a change that is no longer in the
 * outbox. Returns whether a conflict was decided.
 */
export function hear(world: World, answer: Answer, winner: "local" | "remote", isBroken: IsBroken): boolean {
  const edge = edgeOf(world, answer.device);
  if (edge.asking === answer.key) edge.asking = null;
  const isOfEpoch = answer.epoch === edge.cursor.epoch || isBroken("take an answer of another epoch");
  const change = edge.outbox[0];
  if (!isOfEpoch || change?.key !== answer.key || change.state === "unsent") return false;
  const { result } = answer;
  switch (result.status) {
    case "applied":
    case "duplicate":
      acknowledge(edge, change, { epoch: edge.cursor.epoch, version: result.version, key: change.key });
      return false;
    case "settled": // The hub has had it, at a version that it no longer knows.
      acknowledge(edge, change, { epoch: -1, version: 0, key: change.key });
      return false;
    case "conflict":
      return settle(world, edge, change, result.current, winner, isBroken);
    case "rejected":
      fail(edge, change);
      return false;
    case "retry":
      if (change.state === "sent" && ++change.attempts >= ATTEMPTS_MAX) fail(edge, change);
      return false;
    case "resync":
      return false; // The epoch says it all.
  }
}

function acknowledge(edge: Edge, change: Change, base: Base): void {
  const parent = change.base as Base;
  edge.base = base;
  const next = edge.outbox[1];
  edge.outbox.shift();
  if (next !== undefined) next.base = base;
  else if (change.edit !== null) edge.own = { key: change.key, parent };
  if (change.edit !== null) edge.withdrawal = null; // It is published again.
}

/** A later edit that already waits behind the change corrects it; else the change waits for one. */
function fail(edge: Edge, change: Change): void {
  const next = edge.outbox[1];
  if (next === undefined) {
    change.state = "failed";
    return;
  }
  edge.outbox.shift();
  next.base = change.base;
}

/** The push got no answer in time. It says nothing about the change. */
export function giveUp(world: World, device: number, isBroken: IsBroken): void {
  const edge = edgeOf(world, device);
  const change = edge.outbox.find(({ key }) => key === edge.asking);
  edge.asking = null;
  if (change === undefined || !isBroken("count attempts while the hub is away")) return;
  if (++change.attempts >= ATTEMPTS_MAX) {
    fail(edge, change);
    breaks(world, "8: a change failed without a word of the hub");
  }
}

/** The process dies: the file remains. */
export function kill(world: World, device: number, isBroken: IsBroken): void {
  const edge = edgeOf(world, device);
  edge.asking = null;
  edge.page = null;
  world.net = world.net.filter((message) => message.kind !== "answer" || message.device !== device);
  if (!isBroken("forget at a kill that a change was sent")) return;
  for (const change of edge.outbox) if (change.state === "sent") change.state = "unsent";
}

/** The hub is of another epoch: unanswered, unsent and lost changes are offered to it, and the listing begins anew. */
export function resync(world: World, device: number, isBroken: IsBroken): void {
  const edge = edgeOf(world, device);
  edge.cursor = { epoch: world.epoch, position: -1 };
  edge.inbox = null;
  edge.page = null;
  edge.asking = null;
  const { own, withdrawal, head } = edge;
  edge.own = null;
  if (head !== null && own !== null && !isBroken("forget acknowledged edits in a resync")) {
    const state = isBroken("coalesce an edit into an offered change") ? "unsent" : "sent";
    edge.outbox.push({ key: own.key, edit: head, base: own.parent, state, attempts: 0 });
  }
  const isOffered = edge.outbox.some(({ key }) => key === withdrawal);
  if (withdrawal === null || isOffered || isBroken("forget withdrawals in a resync")) return;
  for (const change of edge.outbox) change.base = null;
  edge.outbox.unshift({ key: withdrawal, edit: null, base: edge.base, state: "sent", attempts: 0 });
}
