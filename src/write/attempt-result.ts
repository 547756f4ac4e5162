import type { IdempotencyKeyReusedError } from "../domain/errors.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { KeyClaim } from "../ledger/idempotency-statements.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { StoreVersionTemplates } from "../ledger/store-versions.ts";
import type { KeptAnswer } from "./decision-summary.ts";
import type { Decision, WriteIntent } from "./plan.ts";
import type { Obstacle } from "./preparation.ts";
import type { StoreGate } from "./store-gate.ts";
import type { OnWriteStep } from "./write-step.ts";

/** The parts of a node that an attempt uses. */
export interface AttemptParts {
  readonly ledger: Pick<
    LedgerStore,
    "nodeId" | "knownEpoch" | "transaction" | "outcomeOf" | "readChanges" | "readHistoryPage" | "readPendingStores"
  >;
  /** Ids of the stores beside the ledger, which the answer to a repeated request reports. */
  readonly storeIds: readonly StoreId[];
  /** `store_versions` of new rows. */
  readonly storeVersions: StoreVersionTemplates;
  /** Milliseconds that a projection may take to prepare, while rows are locked. */
  readonly prepareTimeoutMs: number;
  /** Milliseconds to find out whether a transaction was committed whose COMMIT got no answer. */
  readonly inDoubtTimeoutMs: number;
  readonly onStep?: OnWriteStep | undefined;
  /**
   * Whether the transaction itself queues what it writes for the shared stores: for a writer that runs no store, and may be gone
   * the moment after. @default false
   */
  readonly queuesForStores?: boolean | undefined;
  /**
   * Whether deletions of memories without a row are written without asking the ledger whether there is a replica: see `decide`.
   * @default false
   */
  readonly endsUnknown?: boolean | undefined;
  /** Whether stores are asked before a commit over which they have no say. @default false */
  readonly preparesAlways?: boolean | undefined;
}

/** Distinct memories that one transaction writes. */
export interface Chunk {
  readonly intents: readonly WriteIntent[];
  /** All or nothing: a conflict of one memory fails all. */
  readonly atomic: boolean;
  /** Null: nothing is kept for a repeat. */
  readonly claim: KeyClaim | null;
}

/** How one attempt writes a chunk. */
export interface AttemptPlan {
  /** ULID, of this attempt alone. */
  readonly transactionId: string;
  /** The projections that take part. */
  readonly gates: readonly StoreGate[];
  /** As `TransactionToken.optimistic`: false once an attempt before this one was `raced` or `copy_refused`. */
  readonly optimistic: boolean;
  /** Whether a large chunk may be taken for new: false once an attempt before this one was `guessed_wrong`. */
  readonly guessesNew: boolean;
  /** Whether each projection has to be able to take writes, also where the chunk does not concern it. */
  readonly preparesAll: boolean;
}

/** A transaction that is committed. */
export interface CommittedChunk {
  readonly transactionId: string;
  /** Whether its answer is kept under an idempotency key. */
  readonly keepsAnswer: boolean;
  /** One per intent, in order; those to write are durable. */
  readonly decisions: readonly Decision[];
  /** The projections that took part. */
  readonly gates: readonly StoreGate[];
  /** Names the batch that they prepared; undefined: none was. */
  readonly token: string | undefined;
  /** The ledger's epoch as this process knew it when the transaction began. */
  readonly epoch: string | undefined;
  /** When COMMIT was sent, as `performance.now()` tells: a publish long after that is late. */
  readonly committedAt: number;
}

/**
 * How an attempt ended. Only `committed` wrote anything; `failed` with COMMIT_OUTCOME_UNKNOWN may have. After every other
 * ending no store shows a trace.
 *
 * - `committed`: the chunk is durable, or there was nothing to write.
 * - `repeated`: an earlier transaction of the same request has the idempotency key; `first` is its answer.
 * - `key_reused`: another request has the idempotency key.
 * - `conflict`: a memory of an atomic chunk is not at its expected version, or was erased.
 * - `raced`: another transaction created one of the memories first. A memory without a row cannot be locked beforehand;
 *   now there is a row to lock.
 * - `copy_refused`: the server refused the COPY of new memories without a reason. The statement reports the reason.
 * - `guessed_wrong`: a memory of a large chunk was taken for new, and is not. Now the rows are looked for first.
 * - `prepare_failed`: a projection did not accept the chunk.
 */
export type AttemptResult =
  | { readonly kind: "committed"; readonly chunk: CommittedChunk }
  | { readonly kind: "repeated"; readonly first: KeptAnswer; readonly pending: ReadonlySet<string> }
  | { readonly kind: "key_reused"; readonly error: IdempotencyKeyReusedError }
  | { readonly kind: "conflict"; readonly decisions: readonly Decision[] }
  | { readonly kind: "raced" }
  | { readonly kind: "copy_refused" }
  | { readonly kind: "guessed_wrong" }
  | Obstacle;

/** Tries to write a chunk once. Never rejects. */
export type AttemptChunk = (chunk: Chunk, plan: AttemptPlan) => Promise<AttemptResult>;
