import type { Step } from "./explore.ts";
import type { IsBroken } from "./rules.ts";
import { breaks, publishAndProve, publishIn, standsInLedger } from "./stores.ts";
import {
  enqueue,
  isLocked,
  isMarked,
  mark,
  type Scenario,
  STORES,
  type Version,
  type World,
  type Writer,
} from "./world.ts";

type Emit = (name: string, change: (world: World) => void) => Step<World>;

/** What a writer may do next: the round trips, each with the ways in which it can fail. */
export function* writerSteps(
  world: World,
  index: number,
  scenario: Scenario,
  isBroken: IsBroken,
  emit: Emit,
): Iterable<Step<World>> {
  const writer = world.writers[index] as Writer;
  const { budget } = world;
  const named = (what: string) => `writer ${index}: ${what}`;
  const change = (what: string, apply: (next: World, self: Writer) => void) =>
    emit(named(what), (next) => apply(next, next.writers[index] as Writer));

  if (writer.at === "crashed") return;
  if (budget.crash > 0 && writer.at !== "idle") {
    yield change("crash", (next, self) => {
      next.budget.crash -= 1;
      crash(self);
    });
  }
  switch (writer.at) {
    case "idle": {
      const content = scenario.scripts[index]?.[writer.done];
      if (content === undefined) break;
      if ((writer.known?.content ?? "") !== content) {
        yield change(`row and COMMIT ${content}`, (next, self) => sendAlone(next, self, index, content));
      }
      if (isLocked(world) && !isBroken("write without the row's lock")) break;
      yield change(`rows ${content}`, (next, self) => sendRows(next, self, index, content, isBroken));
      break;
    }
    case "missed":
      // Nothing was written: the row is locked and decided on.
      if (isLocked(world)) break;
      yield change("rows after a miss", (next, self) =>
        sendRows(next, self, index, (self.writing as Version).content, isBroken),
      );
      break;
    case "alone":
      if (!isLocked(world)) {
        yield change("the server carries it out", (next, self) => {
          const hit = carryOut(next, index, isBroken);
          self.at = hit || isBroken("take a lone row that missed for written") ? "publishing" : "missed";
        });
      }
      if (budget.lost > 0) {
        yield change("the answer is lost", (next, self) => {
          next.budget.lost -= 1;
          self.at = "doubt";
        });
      }
      break;
    case "writing":
      if (budget.refusal > 0) {
        yield change("prepare refused, rolled back", (next, self) => {
          next.budget.refusal -= 1;
          next.backends[index] = null;
          next.refused.push((self.writing as Version).tx);
          answer(self, null);
        });
      }
      yield change("commit", (next, self) => {
        commitBackend(next, index, isBroken);
        self.at = "publishing";
      });
      if (budget.lost > 0) {
        yield change("commit, answer lost", (next, self) => {
          next.budget.lost -= 1;
          (next.backends[index] as { sent: boolean }).sent = true;
          self.at = "doubt";
          if (isBroken("report the commit as failed when its answer is lost")) {
            next.refused.push((self.writing as Version).tx);
            answer(self, null);
          }
        });
      }
      break;
    case "doubt":
      yield change("fence and look for the token row", (next, self) => settleDoubt(next, self, index, isBroken));
      break;
    case "publishing":
      for (const store of STORES) {
        if (writer.answers[store] !== "none") continue;
        const version = writer.writing as Version;
        yield change(`publish in ${store}`, (next, self) => {
          self.answers[store] = publishAndProve(next, store, version, isBroken);
          const isKnown = next.ledger.chain.some(({ tx }) => tx === version.tx); // A restore may have taken it away.
          if (isKnown && self.answers[store] === "applied" && !standsInLedger(next, store, version)) {
            breaks(next, "3: an answer says applied, and the store holds something else");
          }
        });
        if (budget.lost === 0) continue;
        yield change(`publish in ${store}, answer lost`, (next, self) => {
          next.budget.lost -= 1;
          publishIn(next, store, version, isBroken);
          self.answers[store] = "failed";
        });
        yield change(`publish in ${store}, timed out and late`, (next, self) => {
          next.budget.lost -= 1;
          next.late.push({ store, version });
          self.answers[store] = "failed";
        });
      }
      if (STORES.every((store) => writer.answers[store] !== "none")) {
        yield change("answer", (next, self) => settle(next, self, true, isBroken));
        const isBehind = STORES.some((store) => writer.answers[store] === "failed");
        if (isBehind && budget.lost > 0) {
          yield change("queueing fails, answer", (next, self) => {
            next.budget.lost -= 1;
            settle(next, self, false, isBroken);
          });
        }
      }
  }
}

/** Round trip 1. A write is guarded by what the process knows; a miss is decided again under the same lock. */
function sendRows(world: World, self: Writer, index: number, content: string, isBroken: IsBroken): void {
  const { row } = world.ledger;
  const missedTx = self.at === "missed" ? self.writing?.tx : undefined; // Nothing was written under it.
  self.writing = null;
  const hits = isBroken("guard by the version number instead of the transaction")
    ? (self.known?.version ?? 0) === (row?.version ?? 0)
    : (self.known?.tx ?? 0) === (row?.tx ?? 0);
  const base = hits ? self.known : row;
  self.known = row;
  const isEnding = content === "†";
  const isUnknown = isEnding && base === null;
  if (base?.content === content || (isUnknown && !endsUnknown(world, index, isBroken))) {
    const isHeld = row === null ? isEnding : row.content === content;
    if (!isHeld) breaks(world, "3: a write was called unchanged, and the ledger holds something else");
    if (row === null && world.isReplicated) breaks(world, "9: a deletion left no tombstone, and the replica shows it");
    answer(self, row);
    return;
  }
  if (missedTx === undefined) self.attempts += 1;
  const tx = missedTx ?? (index + 1) * 10 + self.attempts;
  self.writing = { version: (base?.version ?? 0) + 1, content, tx, epoch: world.epoch };
  self.at = "writing";
  self.answers = { redis: "none", faiss: "none" };
  world.backends[index] = { version: self.writing, guard: null, sent: false };
  if (isBroken("publish before the commit")) publishIn(world, "redis", self.writing, isBroken);
}

/** A lone row and its COMMIT in one message, on what the process knows. No store was asked before. */
function sendAlone(world: World, self: Writer, index: number, content: string): void {
  const { known } = self;
  self.attempts += 1;
  const tx = (index + 1) * 10 + self.attempts;
  self.writing = { version: (known?.version ?? 0) + 1, content, tx, epoch: world.epoch };
  self.at = "alone";
  self.answers = { redis: "none", faiss: "none" };
  world.backends[index] = { version: self.writing, guard: known?.tx ?? 0, sent: true };
}

/** The server's part of it. @returns whether the guess held: otherwise nothing was written. */
export function carryOut(world: World, index: number, isBroken: IsBroken): boolean {
  const backend = world.backends[index];
  if (backend == null) return false;
  const holds = backend.guard === null || backend.guard === (world.ledger.row?.tx ?? 0);
  if (holds || isBroken("carry out a lone row without its guard")) {
    commitBackend(world, index, isBroken);
    return true;
  }
  world.backends[index] = null;
  return false;
}

/** Whether a deletion of an unknown memory is written: the ledger itself says whether there is a replica. */
function endsUnknown({ isReplicated }: World, index: number, isBroken: IsBroken): boolean {
  if (isBroken("end what is unknown by the node's own settings")) return isReplicated && index === 0;
  return isReplicated && !isBroken("call a deletion of what is unknown unchanged");
}

/** The decision point: the server carries out COMMIT. */
export function commitBackend(world: World, index: number, isBroken: IsBroken): void {
  const backend = world.backends[index];
  if (!backend) return;
  const { version } = backend;
  world.backends[index] = null;
  if (world.ledger.chain.some((committed) => committed.version >= version.version)) {
    breaks(world, "5: a version number was given out twice");
  }
  if (world.budget.restore > 0) world.backup = JSON.parse(JSON.stringify(world.ledger)) as World["ledger"];
  world.ledger.row = version;
  world.ledger.chain.push(version);
  world.committed.push(version);
  if (!isBroken("mark inside the commit")) world.ledger.unmarked.push({ tx: version.tx, overdue: false });
}

/** After it no backend is left that could still commit: what is not there by then never will be. */
function settleDoubt(world: World, self: Writer, index: number, isBroken: IsBroken): void {
  const version = self.writing as Version;
  if (!isBroken("look for the token row without ending the backend")) world.backends[index] = null;
  if (world.ledger.chain.some(({ tx }) => tx === version.tx)) {
    self.at = "publishing";
    return;
  }
  world.refused.push(version.tx);
  self.writing = null;
  self.at = "idle"; // The same content is tried again.
}

/** What could not be published is queued before the caller is answered; the rest is marked later. */
function settle(world: World, self: Writer, canQueue: boolean, isBroken: IsBroken): void {
  const version = self.writing as Version;
  const pending = STORES.filter((store) => self.answers[store] === "failed");
  const queues = canQueue && !isBroken("answer before the failed store is queued");
  if (queues) for (const store of pending) enqueue(world, store);
  if (pending.length === 0 || isBroken("answer before the failed store is queued")) self.toMark.push(version.tx);
  else if (queues || isBroken("mark what was not queued")) mark(world, [version.tx]);
  if (world.ledger.chain.some(({ tx }) => tx === version.tx)) {
    const isForgotten = pending.some((store) => !world.ledger.queue[store] && isMarked(world, version.tx));
    if (isForgotten) breaks(world, "7: a pending store is nobody's work");
    world.acknowledged.push(version.tx);
    world.acknowledged.sort();
  }
  answer(self, version);
}

function answer(self: Writer, known: Version | null): void {
  self.at = "idle";
  self.done += 1;
  self.known = known ?? self.known;
  self.writing = null;
}

function crash(self: Writer): void {
  self.at = "crashed";
  self.known = null;
  self.writing = null;
  self.toMark = [];
  self.answers = { redis: "none", faiss: "none" };
}
