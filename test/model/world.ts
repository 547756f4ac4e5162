/** The two projections of the model. Their kinds make no difference to the protocol. */
export const STORES = ["redis", "faiss"] as const;
export type Store = (typeof STORES)[number];

/** One version of the only memory. `content` "†" is a deletion. */
export interface Version {
  readonly version: number;
  readonly content: string;
  /** Names the transaction, and so the content; a version number does not after a restore. */
  readonly tx: number;
  /** Names the history in which it was committed, as far as its writer knows. */
  readonly epoch: number;
}

/** A transaction that is not marked `published` yet. */
export interface Transaction {
  readonly tx: number;
  overdue: boolean;
}

/** What PostgreSQL holds, and what a copy of it holds. */
export interface Ledger {
  row: Version | null;
  /** Committed versions of this history, oldest first. */
  chain: Version[];
  /** Those that are not marked yet, in the order of their commits. */
  unmarked: Transaction[];
  /** Whether the backlog has an entry, by store. */
  queue: Record<Store, boolean>;
}

export interface Writer {
  /**
   * idle ─rows─► writing ─commit─► publishing ─answer─► idle; doubt: COMMIT got no answer; crashed is final.
   * idle ─row and COMMIT─► alone ─the guess held─► publishing, or ─it did not─► missed ─rows─► writing.
   */
  at: "idle" | "writing" | "alone" | "missed" | "doubt" | "publishing" | "crashed";
  /** How many writes of its script are answered. */
  done: number;
  attempts: number;
  /** What the process believes to stand in the ledger. */
  known: Version | null;
  writing: Version | null;
  answers: Record<Store, "none" | "applied" | "failed">;
  toMark: number[];
}

/** An open transaction of the server. It holds the row's lock until it ends, unless it is still to be begun. */
export interface Backend {
  readonly version: Version;
  /**
   * Of a row that came with its COMMIT: the transaction (0: none) whose row it replaces, as its writer knows. The server takes the lock,
   * compares, writes and commits in one step. Null: the row is written, under the lock.
   */
  readonly guard: number | null;
  /** COMMIT was sent, and its answer is lost: the server may still do it. */
  sent: boolean;
}

export interface World {
  ledger: Ledger;
  /** The ledger before its last commit: what a restore brings back. Null where the scenario has no restore. */
  backup: Ledger | null;
  /** Whether a restore went unnoticed so far. */
  restored: "no" | "unnoticed" | "noticed";
  /** Grows when a restore is noticed. */
  epoch: number;
  /** The epoch that each store bears: it refuses publishes of another one. */
  brands: Record<Store, number>;
  /** Stores that are to be compared as a whole, since a restore was noticed. */
  doubted: Record<Store, boolean>;
  backends: (Backend | null)[];
  writers: Writer[];
  stores: Record<Store, Version | null>;
  /** Publishes that timed out and may still be carried out. */
  late: { store: Store; version: Version }[];
  /**
   * Whether the ledger has a replica, which may show the memory though the ledger does not know it. The settings of the first
   * writer's node have it; those of the others lack it.
   */
  readonly isReplicated: boolean;
  /** Held by a worker of the backlog. `requeued`: the memory was queued again since the claim. */
  claim: { store: Store; version: Version; requeued: boolean } | null;
  suspect: Store | null;
  acknowledged: number[];
  /** Transactions of which a caller or a retry was told that they did not happen. */
  refused: number[];
  /** Every version that was committed in any history. */
  committed: Version[];
  /** Faults that are still allowed. `slow`: a transaction becomes overdue although its writer lives. */
  budget: { crash: number; lost: number; refusal: number; restore: number; check: number; slow: number };
  /** Set by the step that broke a promise. */
  broken: string | null;
}

export interface Scenario {
  /** Contents that each writer writes, one after the other. */
  readonly scripts: readonly (readonly string[])[];
  readonly budget: World["budget"];
  /** @default false */
  readonly isReplicated?: boolean;
}

export function startOf({ scripts, budget, isReplicated = false }: Scenario): World {
  return {
    ledger: { row: null, chain: [], unmarked: [], queue: { redis: false, faiss: false } },
    backup: null,
    restored: "no",
    epoch: 0,
    brands: { redis: 0, faiss: 0 },
    doubted: { redis: false, faiss: false },
    backends: scripts.map(() => null),
    writers: scripts.map(() => ({
      at: "idle",
      done: 0,
      attempts: 0,
      known: null,
      writing: null,
      answers: { redis: "none", faiss: "none" },
      toMark: [],
    })),
    stores: { redis: null, faiss: null },
    late: [],
    isReplicated,
    claim: null,
    suspect: null,
    acknowledged: [],
    refused: [],
    committed: [],
    budget: { ...budget },
    broken: null,
  };
}

/** Whether two entries say the same: a store knows the checksum of a version, not its transaction. */
export function isSame(a: Version | null, b: Version | null): boolean {
  return a === b || (a !== null && b !== null && a.version === b.version && a.content === b.content);
}

/** Whether a transaction holds the row's lock. */
export function isLocked(world: World): boolean {
  return world.backends.some((backend) => backend !== null && backend.guard === null);
}

export function isMarked({ ledger }: World, tx: number): boolean {
  return !ledger.unmarked.some((transaction) => transaction.tx === tx);
}

export function mark({ ledger }: World, transactions: readonly number[]): void {
  ledger.unmarked = ledger.unmarked.filter(({ tx }) => !transactions.includes(tx));
}

/** Gives the backlog an entry, or says of the one that is being worked on that there is more. */
export function enqueue(world: World, store: Store): void {
  world.ledger.queue[store] = true;
  if (world.claim?.store === store) world.claim.requeued = true;
}
