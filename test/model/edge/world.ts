/** What a version at the hub rests on, as an edge knows it. The key names the content; a version number does not after a restore. */
export interface Base {
  readonly epoch: number;
  /** 0: the hub has no version. */
  readonly version: number;
  readonly key: number | null;
}

/** An entry of the outbox. `edit` names the content of a put, and is null in a withdrawal. */
export interface Change {
  readonly key: number;
  edit: string | null;
  /** Null while a change of the same memory stands before it in the outbox. */
  base: Base | null;
  /** unsent ─push─► sent ─rejected, or retry too often─► failed. `sent` is frozen, also after the answer `retry`. */
  state: "unsent" | "sent" | "failed";
  /** Answers `retry` so far. */
  attempts: number;
}

/** The current version at the hub; `edit` is null once it is withdrawn. */
export interface Row {
  readonly version: number;
  readonly key: number;
  readonly device: number;
  readonly edit: string | null;
}

/** What the ledger holds, and what a copy of it holds. */
export interface Ledger {
  row: Row | null;
  /** Edits that were applied in this history, oldest first. */
  applied: string[];
  /** Edits whose content the history still has. */
  history: string[];
  /** Claimed keys with the version that each made, by device. */
  claims: { key: number; version: number }[][];
  /** By device: keys up to this one are settled. */
  floors: number[];
}

/** One page of changes. The model has one memory, so a page holds one row or none. */
export interface Page {
  readonly epoch: number;
  readonly row: Row | null;
}

export interface Edge {
  // In the file: survives a kill.
  /** The edit that the memory shows; null: there is no such memory. */
  head: string | null;
  /** The hub's version that the memory rests on, as far as it is known. */
  base: Base;
  outbox: Change[];
  /** The acknowledged change that made the head, if it came from here. `parent` is what that change rested on. */
  own: { readonly key: number; readonly parent: Base } | null;
  /** The withdrawal that was sent last, whether or not the memory was published again. */
  withdrawal: number | null;
  cursor: { epoch: number; position: number };
  /** A pulled change that waits for the answer to a sent one. */
  inbox: Row | null;
  /** The losing sides of conflicts. */
  conflicts: string[];
  lastKey: number;
  isLocalOnly: boolean;
  /** Edits whose content must not leave the device again. */
  withheld: string[];
  /** Whether a change of the memory ever left the device. */
  wasSent: boolean;
  /** Whether the memory's own device still has what it withholds from others. */
  hasContent: boolean;
  /** How much of its script is done. */
  done: number;

  // In the process: lost by a kill.
  /** The key of the push that waits for its answer. */
  asking: number | null;
  page: Page | null;
}

export interface Push {
  readonly kind: "push";
  readonly device: number;
  readonly epoch: number;
  readonly settledThrough: number;
  readonly key: number;
  readonly edit: string | null;
  /** Null: the edge knows no version of this epoch that the change rests on. */
  readonly base: number | null;
}

export interface Answer {
  readonly kind: "answer";
  readonly device: number;
  readonly epoch: number;
  readonly key: number;
  readonly result:
    | { readonly status: "applied" | "duplicate"; readonly version: number }
    | { readonly status: "conflict"; readonly current: Row }
    | { readonly status: "rejected" | "retry" | "settled" | "resync" };
}

/** A push whose transaction has locked the row of its memory, where there is one, and has read the claims. */
export interface BegunPush {
  readonly push: Push;
  readonly claim: { readonly version: number } | null;
  /** As it stood then. */
  readonly floor: number;
  readonly hadRow: boolean;
}

/** Faults that are still allowed. */
export interface Budget {
  /** Pushes that the hub carries out in two steps, while others are noted or carried out in between. */
  apart: number;
  /** Messages that get lost, both ways. */
  lost: number;
  /** Pushes that the edge gives up and that arrive later. */
  late: number;
  /** Pushes that arrive twice. */
  doubled: number;
  /** Pages that an edge holds while other things happen. */
  held: number;
  /** Kills of an edge. */
  kill: number;
  /** Answers `rejected`, and answers `retry`, without a reason in the model. */
  rejected: number;
  retry: number;
  /** Corrections by hand: a failed change is tried again. */
  again: number;
  restore: number;
  /** What only a broken rule does: prunings by age, kills of the hub within a change. */
  broken: number;
}

export interface World {
  ledger: Ledger;
  epoch: number;
  /** The copy of the ledger that a restore brings back. */
  copy: Ledger | null;
  isRestored: boolean;
  edges: Edge[];
  begun: BegunPush | null;
  /** Messages under way, in one order. */
  net: (Push | Answer)[];
  /** Of each edit: the edits that its author had before it. */
  knows: Record<string, string[]>;
  /** Edits that a withdrawal took out of the hub: it wins over every edit. */
  taken: string[];
  budget: Budget;
  /** Set by the step that broke a promise. */
  broken: string | null;
}

export interface Scenario {
  /**
   * What the user of each edge does, in this order: "a" writes the edit `a`; "local" makes the memory local_only;
   * "full d" writes `d` and makes it full again.
   */
  readonly scripts: readonly (readonly string[])[];
  readonly budget: Partial<Budget>;
  /** Others get the memory without its content. */
  readonly isRedacted?: boolean;
}

export const NO_FAULTS: Budget = {
  apart: 0,
  lost: 0,
  late: 0,
  doubled: 0,
  held: 0,
  kill: 0,
  rejected: 0,
  retry: 0,
  again: 0,
  restore: 0,
  broken: 0,
};

/** Answers `retry` after which a change has failed. */
export const ATTEMPTS_MAX = 2;

const NOTHING: Base = { epoch: 0, version: 0, key: null };

export function startOf({ scripts, budget }: Scenario): World {
  const edits = scripts.flat().flatMap((item) => (item === "local" ? [] : [editOf(item)]));
  return {
    ledger: { row: null, applied: [], history: [], claims: scripts.map(() => []), floors: scripts.map(() => 0) },
    epoch: 0,
    copy: null,
    isRestored: false,
    edges: scripts.map((_, device) => ({
      head: null,
      base: NOTHING,
      outbox: [],
      own: null,
      withdrawal: null,
      cursor: { epoch: 0, position: 0 },
      inbox: null,
      conflicts: [],
      lastKey: device * 100,
      isLocalOnly: false,
      withheld: [],
      wasSent: false,
      hasContent: true,
      done: 0,
      asking: null,
      page: null,
    })),
    begun: null,
    net: [],
    knows: Object.fromEntries(edits.map((edit) => [edit, []])),
    taken: [],
    budget: { ...NO_FAULTS, ...budget },
    broken: null,
  };
}

export function editOf(item: string): string {
  return item.replace("full ", "");
}

/** The first broken promise is the one to report: what follows from it may be anything. */
export function breaks(world: World, promise: string): void {
  world.broken ??= promise;
}

/** Adds a message. Their order says nothing, so they stand in one order: fewer states. */
export function send(world: World, message: Push | Answer): void {
  world.net.push(message);
  world.net = world.net
    .map((each) => [JSON.stringify(each), each] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, each]) => each);
}

/** These edits and all that their authors had before them. */
export function closureOf(edits: Iterable<string>, { knows }: World): Set<string> {
  const closure = new Set<string>();
  const open = [...edits];
  for (let edit = open.pop(); edit !== undefined; edit = open.pop()) {
    if (closure.has(edit)) continue;
    closure.add(edit);
    open.push(...(knows[edit] ?? []));
  }
  return closure;
}

export function edgeOf(world: World, device: number): Edge {
  return world.edges[device] as Edge;
}

/** Keys of a file only rise, whatever its clock does. */
export function nextKey(edge: Edge): number {
  edge.lastKey += 1;
  return edge.lastKey;
}
