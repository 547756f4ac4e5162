/** Memories of the model. Each has a lane of its own: a page is written by memory, in transactions of their own. */
export const KEYS = ["a", "b"] as const;
export type Key = (typeof KEYS)[number];

/** `local`: the memory became `local_only`. */
export type Kind = "put" | "local" | "delete" | "erase";

export interface Version {
  readonly key: Key;
  readonly version: number;
  /** Names the content; never given out twice, not even by a database that was put back. */
  readonly tx: number;
  readonly kind: Kind;
  /** The place in the feed. A database that was put back gives the same places out again. */
  readonly place: number;
}

/** The ledger. */
export interface Primary {
  epoch: number;
  /** Versions that are kept, in order of the feed. */
  feed: Version[];
  current: Record<Key, Version | null>;
  /** The last place that was given out. */
  place: number;
  /** The place of the newest tombstone that was pruned; 0: none. */
  pruned: number;
  /** No version number up to it is given out again to a memory without a row. */
  floor: number;
  /** The named cursor that keeps tombstones for the replica; null: it was dropped. */
  hint: { epoch: number; place: number } | null;
}

/** A row of the replica. */
export interface Row {
  readonly version: number;
  readonly tx: number;
  readonly isAlive: boolean;
}

export interface Replica {
  rows: Record<Key, Row | null>;
  /** Transactions whose content is there, by memory. */
  content: Record<Key, number[]>;
  /** Transactions whose content was moved away because the primary no longer has them. */
  diverged: Record<Key, number[]>;
  /** Versions that the replica knows to be without content, so that they never get one. */
  emptied: number[];
  cursor: number;
  /** The epoch that is read. */
  feedEpoch: number;
  /** The epoch of which everything up to the cursor is there; null: not known yet. */
  epoch: number | null;
  /** Memories that are not compared yet; null: there is nothing to compare. */
  uncompared: Key[] | null;
  /** Tombstones that were pruned when reading began at the start. */
  prunedAtStart: number;
  /** The one replicator that may write; null: none did yet. */
  writer: number | null;
}

/** What a replicator is about to write. */
export type Replicating =
  | { at: "idle" }
  | { at: "asked"; pruned: number }
  | {
      at: "page";
      from: number;
      to: number;
      changes: Version[];
      later: Version[];
      complete: boolean;
      epoch: number;
      pruned: number | null;
    }
  | {
      at: "writing";
      from: number;
      to: number;
      changes: Version[];
      left: Key[];
      complete: boolean;
      epoch: number;
      later: Version[];
    }
  | { at: "comparing"; key: Key; row: Row | null; found: Version | null; floor: number; epoch: number };

/** A merged read of one memory. */
export type Reading =
  | { at: "idle" }
  | {
      at: "replica";
      key: Key;
      row: Row | null;
      epoch: number | null;
      cursor: number;
      wasEnded: boolean;
      primaryEpoch: number;
      early: Standing | null;
    }
  | {
      at: "looked up";
      key: Key;
      row: Row;
      epoch: number | null;
      cursor: number;
      wasEnded: boolean;
      primaryEpoch: number;
      early: Standing | null;
    };

export interface Standing {
  readonly epoch: number;
  readonly pruned: number;
}

export interface Budget {
  write: number;
  local: number;
  delete: number;
  erase: number;
  prune: number;
  /** The hint is lost, so that tombstones are pruned which the replica was not told of. */
  hintLost: number;
  crash: number;
  primaryRestore: number;
  replicaRestore: number;
  read: number;
}

export interface World {
  /** Changes of a page: two by default, so that a page of both memories is written in two transactions. */
  pageSize: number;
  primary: Primary;
  replica: Replica;
  replicators: Replicating[];
  reading: Reading;
  primaryBackup: Primary | null;
  replicaBackup: Replica | null;
  lastTx: number;
  /** The version of each transaction, by its number. */
  versionOf: number[];
  lastEpoch: number;
  budget: Budget;
  /** The promise that a step broke. */
  broken: string | null;
}

export interface Scenario {
  readonly keys: readonly Key[];
  readonly replicators: number;
  readonly pageSize?: number;
  readonly budget: Partial<Budget>;
}

export function startOf({ replicators, budget, pageSize = 2 }: Scenario): World {
  return {
    pageSize,
    primary: {
      epoch: 1,
      feed: [],
      current: { a: null, b: null },
      place: 0,
      pruned: 0,
      floor: 0,
      hint: { epoch: 1, place: 0 },
    },
    replica: {
      rows: { a: null, b: null },
      content: { a: [], b: [] },
      diverged: { a: [], b: [] },
      emptied: [],
      cursor: 0,
      feedEpoch: 1,
      epoch: null,
      uncompared: null,
      prunedAtStart: 0,
      writer: null,
    },
    replicators: Array.from({ length: replicators }, () => ({ at: "idle" as const })),
    reading: { at: "idle" },
    primaryBackup: null,
    replicaBackup: null,
    lastTx: 0,
    versionOf: [0],
    lastEpoch: 1,
    budget: {
      ...{ write: 0, local: 0, delete: 0, erase: 0, prune: 0, hintLost: 0 },
      ...{ crash: 0, primaryRestore: 0, replicaRestore: 0, read: 0 },
      ...budget,
    },
    broken: null,
  };
}

/** Whether a version has content that may leave the primary. */
export function leaves({ kind }: Version): boolean {
  return kind === "put";
}
