import type { Model, Step } from "../explore.ts";
import { act, giveUp, hear, kill, push, resync } from "./edge.ts";
import { begin, goOn, note, receive } from "./hub.ts";
import { lostEdit, unequal } from "./promises.ts";
import { absorb, applyPage, fetchPage, hasNews, mustWait } from "./pull.ts";
import { quiesce } from "./quiesce.ts";
import { broken, type IsBroken, type Mutation } from "./rules.ts";
import { edgeOf, type Ledger, type Scenario, startOf, type World } from "./world.ts";

type Emit = (name: string, change: (world: World) => unknown) => Step<World>;

/**
 * The push protocol as an explicit model: a hub, edges that share one memory, and the faults that the budget of a scenario
 * allows, in every order. Of a conflict either side may win, which covers every policy and every clock. `mutation` breaks
 * one line of the protocol on purpose.
 *
 * The promises, by the numbers with which violations begin:
 *
 * 1. Each change is applied at most once in a history.
 * 2. No edit that the user's call returned for is lost silently: it shows, or waits in an outbox, or is kept in `conflicts`.
 * 3. Once faults end, hub and edges hold the same, and no outbox holds anything.
 * 4. An edit is overwritten only by one that knew it, or after it was kept in `conflicts`.
 * 5. Content of a memory that is local_only is never sent, and what was sent before is taken out.
 * 6. A withheld content never replaces the content.
 * 7. A device is never in conflict with itself.
 * 8. A change fails only by the hub's word.
 * 9. A version never goes back at an edge within an epoch.
 */
export function edgeProtocol(scenario: Scenario, mutation: Mutation | null = null): Model<World> {
  const isBroken = broken(mutation);
  return {
    initial: startOf(scenario),
    steps: (world) => (world.broken === null ? stepsOf(world, scenario, isBroken) : []),
    violation: (world) =>
      world.broken ??
      lostEdit(world, scenario) ??
      (isQuiet(world, scenario) ? unequalAfter(world, scenario, isBroken) : null),
  };
}

function isQuiet({ net, edges, begun }: World, { scripts }: Scenario): boolean {
  return (
    net.length === 0 &&
    begun === null &&
    edges.every(({ asking, done }, device) => asking === null && done === scripts[device]?.length)
  );
}

function unequalAfter(world: World, scenario: Scenario, isBroken: IsBroken): string | null {
  for (const winner of ["local", "remote"] as const) {
    const settled = quiesce(world, winner, isBroken);
    const promise = settled.broken ?? unequal(settled, scenario);
    if (promise !== null) return promise;
  }
  return null;
}

function* stepsOf(world: World, scenario: Scenario, isBroken: IsBroken): Iterable<Step<World>> {
  const text = JSON.stringify(world);
  const emit: Emit = (name, change) => {
    const next = JSON.parse(text) as World;
    change(next);
    return { name, next };
  };
  for (const device of world.edges.keys()) {
    yield* edgeSteps(world, device, scenario, isBroken, emit);
    yield* edgeFaults(world, device, isBroken, emit);
  }
  yield* messageSteps(world, isBroken, emit);
  yield* restoreSteps(world, emit);
}

/** Emits a step, and where it decided a conflict, the same step with the other side as the winner. */
function* decisions(
  emit: Emit,
  name: string,
  change: (world: World, winner: "local" | "remote") => boolean,
): Iterable<Step<World>> {
  let isDecided = false;
  yield emit(name, (next) => {
    isDecided = change(next, "local");
  });
  if (isDecided) yield emit(`${name}, remote side wins`, (next) => change(next, "remote"));
}

function* edgeSteps(
  world: World,
  device: number,
  scenario: Scenario,
  isBroken: IsBroken,
  emit: Emit,
): Iterable<Step<World>> {
  const edge = edgeOf(world, device);
  const named = (what: string) => `edge ${device}: ${what}`;
  const item = scenario.scripts[device]?.[edge.done];
  if (item !== undefined) yield emit(named(`user: ${item}`), (next) => act(next, device, item, isBroken));
  const first = edge.outbox[0];
  if (edge.asking === null && first !== undefined && first.state !== "failed") {
    yield emit(named(`push ${first.key}`), (next) => push(next, device, isBroken));
  }
  if (edge.page === null && hasNews(world, device)) {
    yield* decisions(emit, named("pull"), (next, winner) => {
      fetchPage(next, device, isBroken);
      return applyPage(next, device, winner, isBroken);
    });
    if (world.budget.held > 0) {
      yield emit(named("fetch a page"), (next) => {
        next.budget.held -= 1;
        fetchPage(next, device, isBroken);
      });
    }
  }
  if (edge.page !== null) {
    yield* decisions(emit, named("apply the page"), (next, winner) => applyPage(next, device, winner, isBroken));
  }
  const { inbox } = edge;
  if (inbox !== null && !mustWait(world, device, isBroken)) {
    yield* decisions(emit, named("apply what waited"), (next, winner) => {
      edgeOf(next, device).inbox = null;
      return absorb(next, device, inbox, winner, isBroken);
    });
  }
  if (edge.cursor.epoch !== world.epoch) {
    yield emit(named("resync"), (next) => resync(next, device, isBroken));
  }
}

function* edgeFaults(world: World, device: number, isBroken: IsBroken, emit: Emit): Iterable<Step<World>> {
  const { asking, outbox } = edgeOf(world, device);
  const { budget } = world;
  const named = (what: string) => `edge ${device}: ${what}`;
  const isOurs = (message: World["net"][number]) => message.device === device && message.key === asking;
  if (asking !== null && budget.lost > 0) {
    yield emit(named("message lost, given up"), (next) => {
      next.budget.lost -= 1;
      next.net = next.net.filter((message) => !isOurs(message));
      giveUp(next, device, isBroken);
    });
  }
  if (asking !== null && budget.late > 0) {
    yield emit(named("given up, message on its way"), (next) => {
      next.budget.late -= 1;
      giveUp(next, device, isBroken);
    });
  }
  if (budget.kill > 0) {
    yield emit(named("killed"), (next) => {
      next.budget.kill -= 1;
      kill(next, device, isBroken);
    });
  }
  if (budget.again > 0 && outbox[0]?.state === "failed") {
    yield emit(named("the failed change is tried again"), (next) => {
      next.budget.again -= 1;
      tryAgain(next, device);
    });
  }
}

function tryAgain(world: World, device: number): void {
  const change = edgeOf(world, device).outbox[0];
  if (change?.state !== "failed") return;
  change.state = "sent"; // Frozen, under its key: an earlier copy may still be on its way.
  change.attempts = 0;
}

function* messageSteps(world: World, isBroken: IsBroken, emit: Emit): Iterable<Step<World>> {
  const { budget, begun } = world;
  if (begun !== null) yield emit(`hub: push of ${begun.push.key} goes on`, (next) => goOn(next, isBroken));
  for (const [position, message] of world.net.entries()) {
    if (message.kind === "answer") {
      const { result, key, device } = message;
      yield* decisions(emit, `edge ${device}: hears ${result.status} of ${key}`, (next, winner) => {
        next.net.splice(position, 1);
        return hear(next, message, winner, isBroken);
      });
      continue;
    }
    const named = (what: string) => `hub: push of ${message.key} ${what}`;
    if (begun !== null) yield emit(named("is noted"), (next) => note(next, message));
    if (begun?.hadRow) continue; // It waits for the row.
    if (begun === null && budget.apart > 0) {
      yield emit(named("arrives and begins"), (next) => {
        next.budget.apart -= 1;
        next.net.splice(position, 1);
        begin(next, message);
      });
    }
    yield emit(named("arrives"), (next) => {
      next.net.splice(position, 1);
      receive(next, message, "none", isBroken);
    });
    if (budget.doubled > 0) {
      yield emit(named("arrives, a copy follows"), (next) => {
        next.budget.doubled -= 1;
        receive(next, message, "none", isBroken);
      });
    }
    for (const mishap of ["rejected", "retry"] as const) {
      if (budget[mishap] === 0 || message.edit === null) continue;
      yield emit(named(`is answered ${mishap}`), (next) => {
        next.budget[mishap] -= 1;
        next.net.splice(position, 1);
        receive(next, message, mishap, isBroken);
      });
    }
    yield* brokenSteps(world, isBroken, (what, change) =>
      emit(named(what), (next) => {
        next.budget.broken -= 1;
        change(next);
        if (what === "meets the hub's death") {
          next.net.splice(position, 1);
          receive(next, message, "killed between claim and change", isBroken);
          edgeOf(next, message.device).asking = null;
        }
      }),
    );
  }
}

/** Steps that only a broken rule makes possible. */
function* brokenSteps(
  world: World,
  isBroken: IsBroken,
  emit: (what: string, change: (world: World) => void) => Step<World>,
): Iterable<Step<World>> {
  if (world.budget.broken === 0) return;
  const isApart =
    isBroken("claim the key before the transaction that applies the change") ||
    isBroken("claim the key after the transaction that applies the change");
  if (isApart) yield emit("meets the hub's death", () => undefined);
  if (isBroken("prune claims by age")) {
    yield emit("comes after claims were pruned by age", (next) => {
      next.ledger.claims = next.ledger.claims.map(() => []);
    });
  }
}

/** A copy of the ledger is made at any time, and brought back at any later time: a new epoch. */
function* restoreSteps(world: World, emit: Emit): Iterable<Step<World>> {
  if (world.budget.restore === 0) return;
  if (world.copy === null) {
    yield emit("hub: a copy is made", (next) => {
      next.copy = JSON.parse(JSON.stringify(next.ledger)) as Ledger;
    });
    return;
  }
  yield emit("hub: the copy is restored", (next) => {
    next.budget.restore -= 1;
    next.ledger = next.copy as Ledger;
    next.copy = null;
    next.epoch += 1;
    next.isRestored = true;
  });
}
