import type { Mutation } from "./rules.ts";
import type { Scenario } from "./world.ts";

/** What the broken lines show in. Some of these take a minute to be looked at whole. */
export const SCENARIOS = {
  "two memories": { keys: ["a", "b"], replicators: 1, budget: { write: 2, delete: 1, crash: 1 } },
  "two replicators": { keys: ["a"], replicators: 2, budget: { write: 2, local: 1, crash: 1 } },
  "a deletion and a read": { keys: ["a", "b"], replicators: 1, budget: { write: 2, delete: 1, prune: 1, read: 1 } },
  "a deletion, a lost hint and a read": {
    keys: ["a", "b"],
    replicators: 1,
    budget: { write: 2, delete: 1, prune: 1, hintLost: 1, read: 1 },
  },
  "a withdrawal": { keys: ["a"], replicators: 1, budget: { write: 2, local: 1, crash: 1 } },
  "an erasure": { keys: ["a"], replicators: 1, budget: { write: 2, erase: 1, crash: 1 } },
  "a replica that is put back": {
    keys: ["a"],
    replicators: 1,
    budget: { write: 3, delete: 1, replicaRestore: 1, read: 1 },
  },
  "a replica that is put back, and a pruned tombstone": {
    keys: ["a"],
    replicators: 1,
    budget: { write: 2, delete: 1, prune: 1, replicaRestore: 1, read: 1 },
  },
  "a primary that is put back": { keys: ["a"], replicators: 1, budget: { write: 3, primaryRestore: 1, read: 1 } },
  "a primary that is put back, and a deletion": {
    keys: ["a"],
    replicators: 1,
    budget: { write: 2, delete: 1, prune: 1, primaryRestore: 1, read: 1 },
  },
  "a primary that is put back, and an erasure": {
    keys: ["a"],
    replicators: 1,
    budget: { write: 2, erase: 1, primaryRestore: 1 },
  },
} satisfies Record<string, Scenario>;

/** Larger ones: faults that meet. */
export const DEEP_SCENARIOS = {
  "two memories, two replicators": { keys: ["a", "b"], replicators: 2, budget: { write: 3, delete: 1, crash: 1 } },
  "a primary that is put back under two replicators": {
    keys: ["a"],
    replicators: 2,
    budget: { write: 3, primaryRestore: 1 },
  },
  "both are put back": {
    keys: ["a"],
    replicators: 1,
    budget: { write: 3, delete: 1, primaryRestore: 1, replicaRestore: 1 },
  },
  "a withdrawal under two replicators and a replica that is put back": {
    keys: ["a"],
    replicators: 2,
    budget: { write: 2, local: 1, replicaRestore: 1 },
  },
} satisfies Record<string, Scenario>;

interface Shows {
  readonly in: Scenario;
  /** The number of the promise that breaks. */
  readonly promise: string;
}

const { "two memories": two, "two replicators": leaders, "a withdrawal": withdrawal } = SCENARIOS;
const { "a primary that is put back": primaryBack } = SCENARIOS;
const lostHint = SCENARIOS["a deletion, a lost hint and a read"];
const replicaBack = SCENARIOS["a replica that is put back"];
const deletionLost = SCENARIOS["a primary that is put back, and a deletion"];
const erasureLost = SCENARIOS["a primary that is put back, and an erasure"];
/** A batch of one memory is written twice: with that of the other one its replicator died. */
const REPEATED: Scenario = { keys: ["a", "b"], replicators: 1, pageSize: 3, budget: { write: 3, crash: 1 } };

/** The scenario in which each broken line shows, and the promise that breaks. */
export const SHOWS: Record<Mutation, Shows> = {
  "keep the place before the data": { in: two, promise: "1" },
  "keep the place whatever the replica's place is": { in: replicaBack, promise: "1" },
  "let an older version replace a newer one": { in: REPEATED, promise: "2" },
  "let a former leader write on": { in: leaders, promise: "4" },
  "go on from the primary's hint": { in: replicaBack, promise: "5" },
  "follow another epoch without a comparison": { in: primaryBack, promise: "5" },
  "follow on behind pruned tombstones": { in: lostHint, promise: "5" },
  "ask for pruned tombstones before the page is read": { in: lostHint, promise: "5" },
  "keep ended rows above the floor": { in: deletionLost, promise: "5" },
  "leave out what was emptied in a lost history": { in: erasureLost, promise: "5" },
  "complete the comparison while a memory is left out": { in: deletionLost, promise: "3" },
  "let go of diverged versions": { in: primaryBack, promise: "6" },
  "prune tombstones that the replica was not told of, and never compare": { in: lostHint, promise: "5" },
  "send a version that was withheld since": { in: withdrawal, promise: "4" },
  "keep the history of a withdrawn memory": { in: withdrawal, promise: "4" },
  "keep the diverged versions of an erased memory": {
    in: { keys: ["a"], replicators: 1, budget: { write: 2, erase: 1, primaryRestore: 1 } },
    promise: "4",
  },
  "send local_only memories": { in: withdrawal, promise: "4" },
  "show what the primary does not know without a look at its standing": { in: lostHint, promise: "3" },
  "ask for the primary's standing before the look-up": { in: lostHint, promise: "3" },
  "take part in another epoch": { in: deletionLost, promise: "3" },
  "take part while the comparison is under way": { in: deletionLost, promise: "3" },
};

/** Scenarios that are looked at whole in about a second. */
export const QUICK = [
  "two memories",
  "a withdrawal",
  "an erasure",
  "a primary that is put back, and an erasure",
] as const;

/** Defects that show only after many thousands of states. */
export const SLOW_MUTATIONS: ReadonlySet<Mutation> = new Set<Mutation>([
  "keep the place whatever the replica's place is",
  "ask for pruned tombstones before the page is read",
  "keep ended rows above the floor",
  "complete the comparison while a memory is left out",
  "prune tombstones that the replica was not told of, and never compare",
  "follow on behind pruned tombstones",
  "let a former leader write on",
  "show what the primary does not know without a look at its standing",
  "ask for the primary's standing before the look-up",
  "take part in another epoch",
  "take part while the comparison is under way",
]);
