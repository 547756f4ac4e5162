import { settle, take } from "./conflict.ts";
import type { IsBroken } from "./rules.ts";
import { edgeOf, type Page, type Row, type World } from "./world.ts";

/** Whether the hub has something for this edge that its cursor has not passed. */
export function hasNews(world: World, device: number): boolean {
  const { cursor } = edgeOf(world, device);
  return cursor.epoch === world.epoch && (world.ledger.row?.version ?? 0) > cursor.position;
}

/** The hub answers with a page, which the edge then holds in memory only. */
export function fetchPage(world: World, device: number, isBroken: IsBroken): void {
  const edge = edgeOf(world, device);
  edge.page = { epoch: world.epoch, row: world.ledger.row };
  if (isBroken("move the cursor before the page is applied")) moveCursor(world, device, edge.page);
}

/** The page and the cursor, in one transaction. Returns whether a conflict was decided. */
export function applyPage(world: World, device: number, winner: "local" | "remote", isBroken: IsBroken): boolean {
  const edge = edgeOf(world, device);
  const page = edge.page as Page;
  edge.page = null;
  moveCursor(world, device, page);
  if (page.row !== null) return absorb(world, device, page.row, winner, isBroken);
  // The hub of another epoch never had the memory. What is in the outbox is offered to it.
  const isUntouched = edge.base.epoch !== edge.cursor.epoch || edge.base.version === 0;
  if (isUntouched && edge.outbox.length === 0 && !edge.isLocalOnly) {
    edge.head = null;
    edge.base = { epoch: edge.cursor.epoch, version: 0, key: null };
  }
  return false;
}

function moveCursor(world: World, device: number, page: Page): void {
  edgeOf(world, device).cursor.position = page.row?.version ?? 0;
}

/** One pulled change. It waits for the answer of a sent change, and for a local_only memory to be full again. */
export function absorb(
  world: World,
  device: number,
  row: Row,
  winner: "local" | "remote",
  isBroken: IsBroken,
): boolean {
  const edge = edgeOf(world, device);
  const change = edge.outbox[0];
  const isKnown = edge.base.epoch === edge.cursor.epoch && row.version <= edge.base.version;
  if (isKnown && !(change === undefined && isBroken("apply a pulled change without comparing versions"))) return false;
  if (mustWait(world, device, isBroken)) {
    if (!isBroken("drop a pulled change that waits for an answer")) edge.inbox = row;
    return false;
  }
  if (change !== undefined) return settle(world, edge, change, row, winner, isBroken);
  take(world, edge, row, isBroken);
  return false;
}

/** Whether a pulled change of the memory has to stay in the inbox. */
export function mustWait(world: World, device: number, isBroken: IsBroken): boolean {
  const { outbox, isLocalOnly } = edgeOf(world, device);
  if (isLocalOnly || outbox[0]?.edit === null) return true; // A withdrawal wins over it, whatever it is.
  return outbox[0]?.state === "sent" && !isBroken("decide a pulled change against a sent and unanswered edit");
}
