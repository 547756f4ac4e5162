import { InternalError, MnemosyncError, StoreRefusedError, ValidationError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import { classifyPostgresError } from "../drivers/postgres/postgres-errors.ts";
import type { RegisteredStore } from "../ledger/store-statements.ts";
import { backoffMs } from "../runtime/backoff.ts";
import { pause } from "../runtime/deadline.ts";
import { NEVER } from "../runtime/shared-deadline.ts";
import { newUlid } from "../runtime/ulid.ts";
import {
  type ChunkTransaction,
  type CommitParts,
  CreationRace,
  changesFor,
  commitChunk,
  PrepareFailure,
} from "./commit.ts";
import type { SyncOutcome } from "./outcome.ts";
import type { Outcomes } from "./outcomes.ts";
import type { Decision, WriteIntent } from "./plan.ts";
import {
  confirmPublished,
  leftOut,
  NOT_RUN_HERE,
  type PublishParts,
  pendingWork,
  publishTo,
  type StorePublish,
} from "./publish.ts";
import { countsAgainstStore, type Probed, type StoreGate } from "./store-gate.ts";

/**
 * What a write does while a projection is away: go on without it and let the backlog bring it up to date, or fail and
 * change nothing.
 */
export type OnStoreDown = "degrade" | "reject";

export interface WriterParts extends CommitParts, PublishParts {
  /** Told of every committed version. */
  readonly onCommitted: (key: MemoryKey, version: number) => void;
  readonly ledgerGate: StoreGate<Probed>;
  readonly gates: readonly StoreGate[];
  readonly outcomes: Outcomes;
  /** Shared stores of the deployment that this node does not run; what it writes is queued for them. */
  readonly unattached: () => readonly RegisteredStore[];
  readonly onStoreDown: OnStoreDown;
  /** Attempts after the first, for failures that may pass. */
  readonly retriesMax: number;
  /** Milliseconds before the first repeat, at most; doubles with each, up to 2 s, times a random part (full jitter). */
  readonly retryDelayMs: number;
}

export interface ChunkOptions {
  /** All or nothing: no memory is isolated from its chunk, and a conflict of one fails all. @default false */
  readonly atomic?: boolean;
  readonly idempotencyKey?: string | null;
}

/** Milliseconds between two attempts, at most. */
const RETRY_DELAY_MAX_MS = 2_000;

/** Races for new memories that one attempt may lose before it counts as failed. */
const RACES_MAX = 50;

/** A whole atomic chunk is given up because of one memory's conflict. Nothing was written. */
class AtomicConflict extends Error {
  readonly decisions: readonly Decision[];
  constructor(decisions: readonly Decision[]) {
    super("a memory of an atomic batch is not at its expected version");
    this.decisions = decisions;
  }
}

/** Writes chunks: attempts, retries, isolation of poisoned memories, outcomes. */
export class Writer {
  readonly #parts: WriterParts;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Writes distinct memories as one transaction. Never rejects: one outcome per intent, in order. */
  async write(intents: readonly WriteIntent[], options: ChunkOptions = {}): Promise<SyncOutcome[]> {
    try {
      return await this.#withoutFailingStores(intents, options);
    } catch (error) {
      if (error instanceof AtomicConflict) return this.#parts.outcomes.atomicConflict(intents, error.decisions);
      if (!options.atomic && options.idempotencyKey == null && intents.length > 1 && isPoisoned(error)) {
        // One of them is at fault: halving finds it in a few steps, and the others go through.
        const middle = intents.length >> 1;
        const first = await this.write(intents.slice(0, middle), options);
        return first.concat(await this.write(intents.slice(middle), options));
      }
      const failure = ownError(error);
      this.#parts.log.warn({ memories: intents.length, code: failure.code, error: failure.message }, "write.failed");
      return intents.map((intent) => this.#parts.outcomes.failed(intent.key, failure));
    }
  }

  /** Under `degrade`, a projection that will not prepare is left out, one after the other, at last all of them. */
  async #withoutFailingStores(intents: readonly WriteIntent[], options: ChunkOptions): Promise<SyncOutcome[]> {
    const excluded = new Set<StoreGate>();
    for (;;) {
      try {
        return await this.#withRetries(intents, options, excluded);
      } catch (error) {
        if (!(error instanceof PrepareFailure)) throw error;
        if (this.#parts.onStoreDown === "reject") throw error.failure;
        excluded.add(error.gate);
      }
    }
  }

  async #withRetries(
    intents: readonly WriteIntent[],
    options: ChunkOptions,
    excluded: ReadonlySet<StoreGate>,
  ): Promise<SyncOutcome[]> {
    const { retriesMax, retryDelayMs: baseMs } = this.#parts;
    for (let failures = 1; ; failures++) {
      try {
        return await this.#attempt(intents, options, excluded);
      } catch (error) {
        if (failures > retriesMax || !mayPass(error)) throw error;
        await pause(backoffMs(failures, { baseMs, maxMs: RETRY_DELAY_MAX_MS }), NEVER);
      }
    }
  }

  async #attempt(
    intents: readonly WriteIntent[],
    options: ChunkOptions,
    excluded: ReadonlySet<StoreGate>,
    races = 0,
  ): Promise<SyncOutcome[]> {
    const { ledger, ledgerGate, onStoreDown } = this.#parts;
    if (!ledgerGate.allows()) throw ledgerGate.refusal();
    const gates: StoreGate[] = [];
    for (const gate of this.#parts.gates) {
      if (excluded.has(gate)) continue;
      if (gate.allows()) gates.push(gate);
      else if (onStoreDown === "reject") throw gate.refusal();
    }
    const signal = NEVER; // A chunk serves many callers: none of them can end it.
    const transaction = {
      transactionId: newUlid(),
      idempotencyKey: options.idempotencyKey ?? null,
      afterRace: races > 0,
    };
    let decisions: readonly Decision[];
    try {
      if (transaction.idempotencyKey !== null) {
        const first = await ledger.firstAnswer(transaction.idempotencyKey, this.#parts.outcomes.storeIds, signal);
        if (first !== null) return this.#parts.outcomes.repeated(intents, first);
      }
      const parts = options.atomic ? this.#atomicParts() : this.#parts;
      decisions = await commitChunk(parts, intents, transaction, gates, signal);
    } catch (error) {
      if (error instanceof CreationRace) return await this.#afterRace(intents, options, excluded, races);
      this.#judge(error);
      await this.#recordRollback(transaction.transactionId, intents, error);
      throw error;
    }
    ledgerGate.succeeded();
    // Outside of the above: from here on nothing may make the write look as if it had failed, or be tried again.
    return await this.#publish(intents, decisions, transaction, gates);
  }

  /** Tries again at once: each time at least one more of the memories has a row, so this ends, whatever the others do. */
  async #afterRace(
    intents: readonly WriteIntent[],
    options: ChunkOptions,
    excluded: ReadonlySet<StoreGate>,
    races: number,
  ): Promise<SyncOutcome[]> {
    if (races < RACES_MAX) return await this.#attempt(intents, options, excluded, races + 1);
    throw new StoreRefusedError("postgres", `other transactions created the memories first, ${races} times`, {
      retryable: true,
    });
  }

  #atomicParts(): CommitParts {
    return {
      ...this.#parts,
      onDecided: (decisions) => {
        if (decisions.some((decision) => decision.action === "conflict")) throw new AtomicConflict(decisions);
      },
    };
  }

  #judge(error: unknown): void {
    if (error instanceof PrepareFailure) error.gate.failed(error.failure);
    else if (countsAgainstStore(error) && error.code === "STORE_UNAVAILABLE") this.#parts.ledgerGate.failed(error);
  }

  async #recordRollback(transactionId: string, intents: readonly WriteIntent[], error: unknown): Promise<void> {
    if (!(error instanceof PrepareFailure) && !(error instanceof MnemosyncError && error.code === "STORE_REFUSED"))
      return;
    try {
      const keys = intents.map((intent) => intent.key);
      await this.#parts.ledger.recordRollback(
        { transactionId, keys, reason: error.message },
        AbortSignal.timeout(2_000),
      );
    } catch (failure) {
      // The record is for operators; the caller gets the reason either way.
      this.#parts.log.debug({ transactionId, error: (failure as Error).message }, "write.rollback_record_failed");
    }
  }

  async #publish(
    intents: readonly WriteIntent[],
    decisions: readonly Decision[],
    { transactionId, idempotencyKey }: ChunkTransaction,
    included: readonly StoreGate[],
  ): Promise<SyncOutcome[]> {
    const writing = decisions.filter((decision) => decision.action === "write");
    if (writing.length === 0) {
      // With a key its row was committed all the same, for the repeat to find.
      if (idempotencyKey !== null) await confirmPublished(this.#parts, transactionId, []);
      return intents.map((intent, index) => this.#parts.outcomes.decided(intent, decisions[index]!, null, []));
    }
    const { gates, unattached, onStep, onCommitted } = this.#parts;
    for (const { write } of writing) onCommitted(write, write.version);
    await onStep?.("committed");
    const published = await Promise.all(
      gates.map(async (gate): Promise<StorePublish> => {
        const changes = changesFor(gate, writing);
        if (included.includes(gate) || changes.length === 0)
          return await publishTo(this.#parts, gate, changes, transactionId);
        return leftOut(gate);
      }),
    );
    await onStep?.("published");
    const pending = gates.flatMap((gate, index) =>
      pendingWork(gate, changesFor(gate, writing), published[index] as StorePublish),
    );
    const elsewhere = unattached().flatMap(({ id, documents }) => {
      const keys = writing.filter(({ vectors }) => documents || vectors).map(({ change }) => change);
      return keys.length === 0 ? [] : [{ store: { id, scope: "shared" as const }, keys, reason: NOT_RUN_HERE }];
    });
    await confirmPublished(this.#parts, transactionId, [...pending, ...elsewhere]);
    await onStep?.("marked");
    return intents.map((intent, index) =>
      this.#parts.outcomes.decided(intent, decisions[index]!, transactionId, published, unattached()),
    );
  }
}

/** Whether the same attempt may go better later. */
function mayPass(error: unknown): boolean {
  if (error instanceof PrepareFailure) return error.failure.retryable;
  return error instanceof MnemosyncError && error.retryable;
}

/** Whether the data of some memory of the chunk is at fault, rather than a store. */
function isPoisoned(error: unknown): boolean {
  if (error instanceof ValidationError) return true;
  return (
    error instanceof MnemosyncError && error.code === "STORE_REFUSED" && classifyPostgresError(error.cause) === "data"
  );
}

function ownError(error: unknown): MnemosyncError {
  if (error instanceof MnemosyncError) return error;
  if (error instanceof PrepareFailure) return error.failure;
  return new InternalError(`writing failed: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}
