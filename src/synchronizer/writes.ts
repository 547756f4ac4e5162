import { ErasedError, InternalError, NotFoundError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryFields } from "../domain/memory-input.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import { VersionConflictError } from "../domain/version-conflict.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { History } from "../read/history.ts";
import type { Reader } from "../read/reader.ts";
import { writeBatch } from "../write/batch.ts";
import type { BatchOptions, BatchParts } from "../write/batch-options.ts";
import type { Refusal } from "../write/intake.ts";
import { keyClaimOf } from "../write/key-claim.ts";
import type { Operation, WriteMetrics } from "../write/metrics.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import { checkPatch, type EmbeddingChoice, type MemoryPatch, patchedMemory, patchFingerprint } from "../write/patch.ts";
import type { WriteIntent } from "../write/plan.ts";
import type { CallScope } from "./call-scope.ts";
import type { CallOptions, DeleteOptions, MemoryInputs, PatchOptions, RollbackOptions, WriteOptions } from "./calls.ts";

export interface WritesParts {
  readonly scope: CallScope;
  readonly batch: BatchParts;
  readonly validator: MemoryValidator;
  readonly history: History;
  readonly reader: Pick<Reader, "getCommitted">;
  readonly ledger: Pick<LedgerStore, "readErasedKeys">;
  readonly metrics: WriteMetrics;
}

/** Versions that a patch is tried on, at most, while others write the same memory. */
const PATCH_ATTEMPTS_MAX = 20;

/** The façade's calls that write memories. `MemorySynchronizer` documents them. */
export class Writes {
  readonly #parts: WritesParts;

  constructor(parts: WritesParts) {
    this.#parts = parts;
  }

  async syncMemory(memoryId: string, memory: MemoryFields<object>, options: WriteOptions): Promise<SyncOutcome> {
    return await this.#write("sync_memory", "syncMemory", options, (signal) => {
      const intent = this.#parts.batch.intake.prepareOne({ ...memory, memoryId }, options, signal);
      if (intent instanceof Promise)
        return intent.then((embedded) => this.#submit(accepted(embedded), options, signal));
      return this.#submit(accepted(intent), options, signal);
    });
  }

  async syncBatch(memories: MemoryInputs<object>, options: BatchOptions): Promise<SyncOutcome[]> {
    const { scope, metrics, batch } = this.#parts;
    scope.assertOpen();
    return await metrics.measured("sync_batch", () => writeBatch(batch, memories, options), statusesOf);
  }

  async delete(memoryId: string, options: DeleteOptions): Promise<SyncOutcome> {
    const key = this.#parts.validator.validateKey(memoryId, options.namespace);
    const expectedVersion = this.#parts.validator.checkExpectedVersion(options.expectedVersion);
    const intent = { key, memory: null, expectedVersion, modifiedAt: null };
    return await this.#write("delete", "delete", options, (signal) => this.#submit(intent, options, signal));
  }

  async patch(memoryId: string, given: MemoryPatch, options: PatchOptions): Promise<SyncOutcome> {
    const { validator } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    const expectedVersion = validator.checkExpectedVersion(options.expectedVersion);
    const changes = checkPatch(given, options.embedding);
    return await this.#write("patch", "patch", options, async (signal) => {
      for (let attempt = 1; ; attempt++) {
        const intent = await this.#unlessErased(key, signal, () =>
          this.#patchIntent(key, changes, options.embedding, signal),
        );
        const requestedChecksum = patchFingerprint(changes, options.embedding);
        const conditional = expectedVersion === null ? intent : { ...intent, expectedVersion };
        const request = { ...intent, expectedVersion, requestedChecksum };
        const outcome = await this.#submit(conditional, options, signal, request);
        const isLast = expectedVersion !== null || attempt === PATCH_ATTEMPTS_MAX;
        if (outcome.status !== "conflict" || isLast) return outcome;
      }
    });
  }

  /** Tells a memory that was erased from one that is not there, where `work` finds none. @throws {ErasedError} */
  async #unlessErased<T>(key: MemoryKey, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      const erased = await this.#parts.ledger.readErasedKeys([key], signal);
      if (erased.length > 0) throw new ErasedError(key.namespace, key.memoryId);
      throw error;
    }
  }

  /** The write of the current memory with the changes, provided that it is still current. @throws {NotFoundError} */
  async #patchIntent(
    key: MemoryKey,
    changes: MemoryPatch,
    choice: EmbeddingChoice | undefined,
    signal: AbortSignal,
  ): Promise<WriteIntent> {
    const { batch, reader, validator } = this.#parts;
    const current = await reader.getCommitted(key, signal);
    if (current === null) {
      throw new NotFoundError(`there is no memory ${JSON.stringify(key.memoryId)} in ${key.namespace} to patch`);
    }
    const node = { canEmbed: batch.intake.canEmbed, keepsVector: validator.takesVector(current) };
    const { input, embeds } = patchedMemory(current, changes, choice, node);
    return accepted(await batch.intake.prepareOne(input, { expectedVersion: current.version, embeds }, signal));
  }

  async rollback(memoryId: string, toVersion: number, options: RollbackOptions): Promise<SyncOutcome> {
    const { validator, history } = this.#parts;
    const key = validator.validateKey(memoryId, options.namespace);
    const expectedVersion = validator.checkExpectedVersion(options.expectedVersion);
    return await this.#write("rollback", "rollback", options, (signal) =>
      this.#unlessErased(key, signal, () => history.rollback(key, toVersion, expectedVersion, signal)),
    );
  }

  async rollbackTransaction(transactionId: string, options: CallOptions): Promise<SyncOutcome[]> {
    const { scope, metrics, history } = this.#parts;
    return await metrics.measured(
      "rollback_transaction",
      () => scope.run("rollbackTransaction", options, (signal) => history.rollbackTransaction(transactionId, signal)),
      statusesOf,
    );
  }

  /** A write of one memory, counted by its outcome. @throws where nothing was written: no outcome can be overlooked. */
  async #write(
    operation: Operation,
    name: string,
    options: CallOptions,
    work: (signal: AbortSignal) => Promise<SyncOutcome>,
  ): Promise<SyncOutcome> {
    const { metrics, scope } = this.#parts;
    let conflict: VersionConflictError | null = null;
    const outcome = await metrics.measured(
      operation,
      () =>
        scope.run(name, options, async (signal) => {
          const written = await work(signal);
          if (written.status === "conflict") conflict = await this.#conflictOf(written, signal);
          return written;
        }),
      ({ status }) => [status],
    );
    if (conflict !== null) throw conflict;
    if (outcome.status === "failed") throw outcome.error ?? new InternalError("a failure without a reason");
    return outcome;
  }

  /** The error of a conflict, with the memory as the ledger holds it now. */
  async #conflictOf(outcome: SyncOutcome, signal: AbortSignal): Promise<VersionConflictError> {
    const { memoryId, error } = outcome;
    if (!(error instanceof VersionConflictError)) throw error ?? new InternalError("a conflict without a reason");
    const { expectedVersion, foundVersion } = error;
    try {
      const current = await this.#parts.reader.getCommitted(outcome, signal);
      return new VersionConflictError(memoryId, expectedVersion, foundVersion, { current });
    } catch (cause) {
      // The conflict is certain: the caller hears of it, with `current` undefined, rather than of the failed read.
      return new VersionConflictError(memoryId, expectedVersion, foundVersion, { cause });
    }
  }

  /** @param request what an idempotency key is bound to. */
  #submit(
    intent: WriteIntent,
    options: WriteOptions,
    signal: AbortSignal,
    request: WriteIntent = intent,
  ): Promise<SyncOutcome> {
    const { batcher } = this.#parts.batch;
    const { wait = true, idempotencyKey, caller } = options;
    if (idempotencyKey === undefined) return batcher.write(intent, wait, signal);
    return this.#submitOnce(intent, { idempotencyKey, caller, wait }, signal, request);
  }

  async #submitOnce(
    intent: WriteIntent,
    { idempotencyKey, caller, wait }: { idempotencyKey: string; caller: string | undefined; wait: boolean },
    signal: AbortSignal,
    request: WriteIntent,
  ): Promise<SyncOutcome> {
    const { batcher } = this.#parts.batch;
    const claim = keyClaimOf({ idempotencyKey, caller }, [request], false);
    const [outcome] = await batcher.writeTogether([intent], { claim }, wait, signal);
    return outcome as SyncOutcome;
  }
}

/** @throws the error of an input that is refused. */
function accepted(intent: WriteIntent | Refusal): WriteIntent {
  if ("error" in intent) throw intent.error;
  return intent;
}

function statusesOf(outcomes: readonly SyncOutcome[]): SyncOutcome["status"][] {
  return outcomes.map(({ status }) => status);
}
