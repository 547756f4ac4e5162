import { hear, push, resync } from "./edge.ts";
import { receive } from "./hub.ts";
import { absorb, applyPage, fetchPage, hasNews, mustWait } from "./pull.ts";
import type { IsBroken } from "./rules.ts";
import { type Answer, breaks, edgeOf, type Push, type World } from "./world.ts";

/** Rounds in which everything comes to rest: a conflict takes two, a withdrawal and a resync one more each. */
const ROUNDS_MAX = 12;

/** Lets hub and edges come to rest without further faults. Failed changes are tried again, as their user would in the end. */
export function quiesce(world: World, winner: "local" | "remote", isBroken: IsBroken): World {
  const next = JSON.parse(JSON.stringify(world)) as World;
  next.budget.restore = 0;
  let before = "";
  for (let round = 0; next.broken === null; round++) {
    const now = JSON.stringify(next);
    if (now === before) return next;
    if (round === ROUNDS_MAX) breaks(next, "3: edges and hub do not come to rest");
    before = now;
    for (const device of next.edges.keys()) turn(next, device, winner, isBroken);
  }
  return next;
}

/** One turn of an edge: resync, push what is to be pushed, pull what is to be pulled. */
function turn(world: World, device: number, winner: "local" | "remote", isBroken: IsBroken): void {
  const edge = edgeOf(world, device);
  if (edge.cursor.epoch !== world.epoch) resync(world, device, isBroken);
  const [first] = edge.outbox;
  if (first?.state === "failed") {
    first.state = "sent";
    first.attempts = 0;
  }
  if (first !== undefined) {
    push(world, device, isBroken);
    receive(world, world.net.pop() as Push, "none", isBroken);
    hear(world, world.net.pop() as Answer, winner, isBroken);
  }
  if (edge.page === null && hasNews(world, device)) fetchPage(world, device, isBroken);
  if (edge.page !== null) applyPage(world, device, winner, isBroken);
  const { inbox } = edge;
  if (inbox === null || mustWait(world, device, isBroken)) return;
  edge.inbox = null;
  absorb(world, device, inbox, winner, isBroken);
}
