import type { Step } from "./explore.ts";
import type { IsBroken } from "./rules.ts";
import { breaks, publishAndProve, publishIn, replaceIn } from "./stores.ts";
import {
  type Backend,
  enqueue,
  isLocked,
  isSame,
  mark,
  STORES,
  type Store,
  type Version,
  type World,
} from "./world.ts";
import { carryOut } from "./writing.ts";

type Emit = (name: string, change: (world: World) => void) => Step<World>;

/** What goes on beside the writers: the server, marks, take-over, backlog, late messages, the checker, a restore. */
export function* backgroundSteps(world: World, isBroken: IsBroken, emit: Emit): Iterable<Step<World>> {
  yield* serverSteps(world, isBroken, emit);
  yield* markSteps(world, isBroken, emit);
  yield* backlogSteps(world, isBroken, emit);
  for (const [position, { store, version }] of world.late.entries()) {
    yield emit(`late publish of ${version.content} arrives in ${store}`, (next) => {
      next.late.splice(position, 1);
      publishIn(next, store, version, isBroken);
    });
    yield emit(`late publish of ${version.content} never arrives in ${store}`, (next) => {
      next.late.splice(position, 1);
    });
  }
  yield* checkSteps(world, isBroken, emit);
  yield* restoreSteps(world, isBroken, emit);
}

/** A backend whose client is gone ends by itself, one way or the other. */
function* serverSteps(world: World, isBroken: IsBroken, emit: Emit): Iterable<Step<World>> {
  for (const [index, backend] of world.backends.entries()) {
    if (backend === null) continue;
    // A row that came with its COMMIT waits for the lock; while its writer waits for the answer, that is a step of the writer.
    const isAnswered = world.writers[index]?.at === "alone";
    const waits = backend.guard !== null && isLocked(world);
    if (backend.sent && !isAnswered && !waits) {
      yield emit(`server ${index} commits`, (next) => {
        carryOut(next, index, isBroken);
      });
    }
    if (isAnswered) continue;
    if (backend.sent || isAbandoned(world, index)) {
      yield emit(`server ${index} aborts`, (next) => {
        next.backends[index] = null;
      });
    }
  }
}

function isAbandoned(world: World, index: number): boolean {
  const writer = world.writers[index];
  return writer?.at === "crashed" || writer?.at === "idle";
}

function* markSteps(world: World, isBroken: IsBroken, emit: Emit): Iterable<Step<World>> {
  for (const [index, { toMark }] of world.writers.entries()) {
    if (toMark.length === 0) continue;
    yield emit(`writer ${index}: mark`, (next) => {
      mark(next, toMark);
      (next.writers[index] as World["writers"][number]).toMark = [];
    });
  }
  for (const [position, { tx, overdue }] of world.ledger.unmarked.entries()) {
    if (overdue) {
      yield emit(`transaction ${tx} is taken over`, (next) => {
        mark(next, [tx]);
        const stores = isBroken("queue an overdue transaction for one store alone") ? (["redis"] as const) : STORES;
        for (const store of stores) enqueue(next, store);
      });
      continue;
    }
    const isAlive = world.writers.some(({ writing, toMark }) => writing?.tx === tx || toMark.includes(tx));
    if (isAlive && world.budget.slow === 0) continue;
    yield emit(`transaction ${tx} is overdue`, (next) => {
      if (isAlive) next.budget.slow -= 1;
      (next.ledger.unmarked[position] as World["ledger"]["unmarked"][number]).overdue = true;
    });
  }
}

/** Claim, publish the current version, settle: three steps, between any two of which something else may happen. */
function* backlogSteps(world: World, isBroken: IsBroken, emit: Emit): Iterable<Step<World>> {
  const { claim } = world;
  if (claim === null) {
    for (const store of STORES) {
      const version = world.ledger.row;
      if (!world.ledger.queue[store]) continue;
      yield emit(`backlog claims ${store}`, (next) => {
        if (version === null) next.ledger.queue[store] = false;
        else next.claim = { store, version: { ...version, epoch: next.epoch }, requeued: false };
      });
    }
    return;
  }
  const { store, version, requeued } = claim;
  yield emit(`backlog publishes in ${store}`, (next) => {
    next.claim = null;
    const answer = publishAndProve(next, store, version, isBroken);
    if (answer === "failed") {
      // The store holds what this history does not know. Under the row's lock it is proven, kept as evidence, replaced.
      if (isLocked(next)) return;
      replaceIn(next, store);
    }
    if (!requeued || isBroken("forget a queueing that came during the backlog's publish")) {
      next.ledger.queue[store] = false;
    }
  });
  if (world.budget.lost > 0) {
    yield emit(`backlog's publish in ${store} is late`, (next) => {
      next.budget.lost -= 1;
      next.claim = null;
      next.late.push({ store, version });
    });
  }
}

/** Suspect without a lock, confirm under it: a version that is on its way is no drift. */
function* checkSteps(world: World, isBroken: IsBroken, emit: Emit): Iterable<Step<World>> {
  if (world.suspect === null) {
    if (world.budget.check === 0) return;
    for (const store of STORES) {
      if (isSame(world.stores[store], world.ledger.row)) continue;
      yield emit(`checker suspects ${store}`, (next) => {
        next.budget.check -= 1;
        next.suspect = store;
      });
    }
    return;
  }
  const store = world.suspect;
  yield emit(`checker confirms ${store}`, (next) => {
    next.suspect = null;
    if (isLocked(next) || isSame(next.stores[store], next.ledger.row)) return;
    if (isOnItsWay(next, store) && !isBroken("call what is on its way drift")) return;
    const row = next.ledger.row as Version;
    const publishes = next.writers.some(({ at, writing }) => at === "publishing" && isSame(writing, row));
    const isLate = next.ledger.unmarked.some(({ tx, overdue }) => tx === row?.tx && overdue);
    if (publishes && !isLate) breaks(next, "8: the checker found drift where a version was on its way");
    replaceIn(next, store);
  });
}

function isOnItsWay({ ledger }: World, store: Store): boolean {
  return ledger.queue[store] || ledger.unmarked.some(({ tx, overdue }) => tx === ledger.row?.tx && !overdue);
}

/** The database is put back to a copy of itself. Every connection ends; processes and stores stay as they are. */
function* restoreSteps(world: World, isBroken: IsBroken, emit: Emit): Iterable<Step<World>> {
  if (world.budget.restore > 0) {
    if (world.backup !== null) {
      yield emit("the backup is restored", (next) => {
        next.budget.restore -= 1;
        next.ledger = next.backup as World["ledger"];
        next.backup = null;
        next.restored = "unnoticed";
        next.backends = next.backends.map((): Backend | null => null);
        next.claim = null;
        next.suspect = null;
        for (const writer of next.writers) if (writer.at === "writing" || writer.at === "alone") writer.at = "doubt";
      });
    }
  }
  if (world.restored === "unnoticed" && !isLocked(world)) {
    yield emit("the restore is noticed", (next) => noticeRestore(next, isBroken));
  }
  for (const store of STORES) {
    const isBranded = world.brands[store] === world.epoch;
    const comparesFirst = isBroken("compare a store before it bears the new epoch");
    if (!isBranded && (!comparesFirst || !world.doubted[store])) {
      yield emit(`${store} bears the new epoch`, (next) => {
        next.brands[store] = next.epoch;
      });
    }
    if (world.doubted[store] && (isBranded || comparesFirst) && !isLocked(world)) {
      yield emit(`${store} is compared as a whole`, (next) => {
        next.doubted[store] = false;
        if (!isSame(next.stores[store], next.ledger.row)) replaceIn(next, store);
      });
    }
  }
}

/** A new epoch begins: Redis is to bear it, and to be compared with the ledger after that. FAISS is built anew, in one step. */
export function noticeRestore(world: World, isBroken: IsBroken): void {
  world.restored = "noticed";
  world.epoch += 1;
  if (isBroken("leave the stores alone after a restore")) return;
  world.doubted.redis = true;
  world.brands.faiss = world.epoch;
  world.stores.faiss = world.ledger.row;
}
