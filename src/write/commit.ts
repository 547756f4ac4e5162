import { CommitOutcomeUnknownError, InternalError, MnemosyncError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import type { Backend } from "../drivers/postgres/postgres-access.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { LedgerTransaction } from "../ledger/ledger-transaction.ts";
import type { StoreVersionTemplates } from "../ledger/store-versions.ts";
import { pause, withDeadline } from "../runtime/deadline.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";
import type { PreparedBatch } from "../stores/projection.ts";
import { keepsMemory } from "../stores/traits.ts";
import { assertDistinct, type Decision, decide, type WriteIntent } from "./plan.ts";
import { countsAgainstStore, type StoreGate } from "./store-gate.ts";

/** Moments of the write path, in order. Fault tests stop the world at them; they change nothing by themselves. */
export const WRITE_STEPS = ["locked", "prepared", "committing", "committed", "published", "marked"] as const;
export type WriteStep = (typeof WRITE_STEPS)[number];

export interface CommitParts {
  readonly ledger: LedgerStore;
  /** Replaced versions that are kept per memory. */
  readonly historyVersionsMax: number;
  /** `store_versions` of new rows. */
  readonly storeVersions: StoreVersionTemplates;
  /** Milliseconds that a projection may take to prepare, while rows are locked. */
  readonly prepareTimeoutMs: number;
  /** Milliseconds to find out whether a transaction was committed whose COMMIT got no answer. */
  readonly inDoubtTimeoutMs: number;
  /** Called with the decisions before anything is written; what it throws gives the chunk up. */
  readonly onDecided?: (decisions: readonly Decision[]) => void;
  readonly onStep?: ((step: WriteStep) => void | Promise<void>) | undefined;
}

/** Names one attempt to write a chunk. */
export interface ChunkTransaction {
  /** ULID. */
  readonly transactionId: string;
  readonly idempotencyKey: string | null;
  /** Whether an attempt before this one ended with a `CreationRace`. */
  readonly afterRace?: boolean;
}

type WriteDecision = Extract<Decision, { action: "write" }>;

/**
 * Another transaction created one of the memories first: a memory without a row cannot be locked beforehand. Nothing was
 * written anywhere, and by now there is a row to lock. Or new memories were refused on the fast way, which does not say
 * why: the next attempt takes the other one.
 */
export class CreationRace extends Error {}

/** A projection did not accept the chunk. Nothing was written anywhere. */
export class PrepareFailure extends Error {
  readonly gate: StoreGate;
  readonly failure: MnemosyncError;
  constructor(gate: StoreGate, failure: MnemosyncError) {
    super(failure.message, { cause: failure });
    this.gate = gate;
    this.failure = failure;
  }
}

/**
 * Steps 1 to 4 of the protocol: lock and write in Postgres, prepare in every projection meanwhile, commit.
 * @param gates the projections that take part.
 * @returns one decision per intent, in order; those to write are committed.
 * @throws {PrepareFailure} {MnemosyncError} Nothing was written and every prepared batch is discarded.
 * @throws {CommitOutcomeUnknownError} It may be committed. Nothing was published.
 */
export async function commitChunk(
  parts: CommitParts,
  intents: readonly WriteIntent[],
  transaction: ChunkTransaction,
  gates: readonly StoreGate[],
  signal: AbortSignal,
): Promise<readonly Decision[]> {
  assertDistinct(intents);
  const attempt = new Attempt(parts, transaction, gates, signal);
  try {
    return await parts.ledger.transaction(signal, (transaction) => attempt.run(transaction, intents));
  } catch (error) {
    const decisions = await attempt.committedDespite(error);
    if (decisions !== null) return decisions;
    await attempt.discard();
    throw error;
  }
}

class Attempt {
  readonly #parts: CommitParts;
  readonly #transaction: ChunkTransaction;
  readonly #gates: readonly StoreGate[];
  readonly #signal: AbortSignal;
  #decisions: readonly Decision[] = [];
  #preparing: readonly StoreGate[] = [];
  /** Set from the moment in which COMMIT is sent. */
  #committing: Backend | null = null;
  /** Set once the caller was told that the chunk failed: what still runs of it must not commit any more. */
  #abandoned = false;

  constructor(parts: CommitParts, transaction: ChunkTransaction, gates: readonly StoreGate[], signal: AbortSignal) {
    this.#parts = parts;
    this.#transaction = transaction;
    this.#gates = gates;
    this.#signal = signal;
  }

  async run(ledger: LedgerTransaction, intents: readonly WriteIntent[]): Promise<readonly Decision[]> {
    const { onStep, onDecided } = this.#parts;
    const { nodeId } = this.#parts.ledger;
    const keys = intents.map((intent) => intent.key);
    const { locked, now } = await ledger.begin(keys);
    this.#decisions = intents.map((intent) => decide(intent, locked.get(keyText(intent.key)), now, nodeId));
    onDecided?.(this.#decisions);
    await onStep?.("locked");
    const writing = this.#decisions.filter((decision): decision is WriteDecision => decision.action === "write");
    if (writing.length === 0 && this.#transaction.idempotencyKey === null) {
      await ledger.rollback();
      return this.#decisions;
    }
    // Both go on at once; both have ended, one way or the other, before anything is decided.
    const results = await Promise.allSettled([this.#write(ledger, writing), this.#prepare(writing)]);
    for (const result of results) if (result.status === "rejected") throw result.reason;
    await onStep?.("prepared");
    await onStep?.("committing");
    if (this.#abandoned) throw new InternalError("the chunk was given up before its commit");
    this.#committing = ledger.backend;
    await ledger.commit();
    this.#committing = null;
    return this.#decisions;
  }

  async #write(transaction: LedgerTransaction, writing: readonly WriteDecision[]): Promise<void> {
    const { ledger, historyVersionsMax, storeVersions } = this.#parts;
    const token = { ...this.#transaction, nodeId: ledger.nodeId, historyVersionsMax, storeVersions };
    const outcomes = this.#transaction.idempotencyKey === null ? {} : { outcomes: this.#decisions.map(summary) };
    const writes = writing.map((decision) => decision.write);
    const written = await transaction.write(writes, { ...token, ...outcomes });
    if (written !== writes.length) throw new CreationRace();
  }

  async #prepare(writing: readonly WriteDecision[]): Promise<void> {
    const involved = this.#gates.map((gate) => ({ gate, changes: changesFor(gate, writing) }));
    const preparing = involved.filter(({ changes }) => changes.length > 0);
    this.#preparing = preparing.map(({ gate }) => gate);
    const token = this.#transaction.transactionId;
    const results = await withSharedDeadline(this.#parts.prepareTimeoutMs, this.#signal, (signal) =>
      Promise.allSettled(preparing.map(({ gate, changes }) => prepareIn(gate, { token, changes }, signal))),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /**
   * The decisions, when the chunk was committed although its COMMIT got no answer; null when it certainly was not.
   */
  async committedDespite(error: unknown): Promise<readonly Decision[] | null> {
    this.#abandoned = true;
    const backend = this.#committing;
    // A reply of the server's is an answer: the commit was refused.
    if (backend === null || (error instanceof MnemosyncError && error.code === "STORE_REFUSED")) return null;
    const { ledger, inDoubtTimeoutMs } = this.#parts;
    const { transactionId } = this.#transaction;
    const deadline = AbortSignal.timeout(inDoubtTimeoutMs);
    let lastError: unknown = error;
    // What took one connection away may hold up idle ones as well: each look may spoil one, and must leave time for others.
    let lookMs = inDoubtTimeoutMs / 6;
    for (let waitMs = 10; !deadline.aborted; waitMs = Math.min(waitMs * 2, 500), lookMs *= 2) {
      try {
        const outcome = await withDeadline(lookMs, deadline, (look) => ledger.outcomeOf(transactionId, backend, look));
        if (outcome !== "running") return outcome === "committed" ? this.#decisions : null;
      } catch (failure) {
        lastError = failure;
      }
      await pause(waitMs, deadline);
    }
    throw new CommitOutcomeUnknownError(transactionId, { cause: lastError });
  }

  /** What a projection cannot be told now it forgets by itself: held batches expire. */
  async discard(): Promise<void> {
    const signal = AbortSignal.timeout(this.#parts.prepareTimeoutMs);
    const { transactionId } = this.#transaction;
    await Promise.allSettled(this.#preparing.map((gate) => gate.target.discard(transactionId, signal)));
  }
}

async function prepareIn(gate: StoreGate, batch: PreparedBatch, signal: AbortSignal): Promise<void> {
  try {
    await gate.target.prepare(batch, signal);
  } catch (error) {
    if (countsAgainstStore(error)) throw new PrepareFailure(gate, error);
    throw error;
  }
}

/** The changes of a chunk that a store must hear of: one of vectors alone, only those that have or had an embedding. */
export function changesFor(gate: StoreGate, writing: readonly WriteDecision[]) {
  const { traits } = gate.target;
  const concerned = writing.filter((decision) => keepsMemory(traits, decision.vectors));
  return concerned.map((decision) => decision.change);
}

/** What the answer to a repeat is made of. */
export interface DecisionSummary {
  readonly action: Decision["action"];
  readonly version: number;
  readonly checksum: string | null;
  readonly vectors: boolean;
}

/** The part of a decision that outlives its call. */
function summary(decision: Decision): DecisionSummary {
  if (decision.action === "write") {
    return {
      action: "write",
      version: decision.write.version,
      checksum: decision.write.checksum,
      vectors: decision.vectors,
    };
  }
  const vectors = decision.action === "unchanged" && decision.vectors;
  return { action: decision.action, version: decision.version, checksum: decision.checksum, vectors };
}
