import { InternalError } from "../domain/errors.ts";
import type { MemoryInput, MemoryValidator } from "../domain/schema.ts";
import type { History } from "../read/history.ts";
import type { Operation } from "../runtime/metric-names.ts";
import { writeBatch } from "../write/batch.ts";
import type { BatchOptions, BatchParts } from "../write/batch-options.ts";
import { checkIdempotencyKey } from "../write/batch-together.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { WriteIntent } from "../write/plan.ts";
import type { CallScope } from "./call-scope.ts";
import type { CallOptions, KeyOptions, MemoryFields, WriteOptions } from "./calls.ts";
import type { Metrics } from "./metrics.ts";

export interface WritesParts {
  readonly scope: CallScope;
  readonly batch: BatchParts;
  readonly validator: MemoryValidator;
  readonly history: History;
  readonly metrics: Pick<Metrics, "measured">;
}

/** The façade's calls that write memories. `MemorySynchronizer` documents them. */
export class Writes {
  readonly #parts: WritesParts;

  constructor(parts: WritesParts) {
    this.#parts = parts;
  }

  async syncMemory(memoryId: string, memory: MemoryFields, options: WriteOptions): Promise<SyncOutcome> {
    return await this.#measured("sync_memory", "syncMemory", options, async (signal) => {
      const [intent] = await this.#parts.batch.intake.prepare([{ ...memory, memoryId }], options, signal);
      if (intent === undefined) throw new InternalError("an input without a result");
      if ("error" in intent) throw intent.error;
      return await this.#submit(intent, options, signal);
    });
  }

  async syncBatch(
    memories: Iterable<MemoryInput> | AsyncIterable<MemoryInput>,
    options: BatchOptions,
  ): Promise<SyncOutcome[]> {
    const { scope, metrics, batch } = this.#parts;
    scope.assertOpen();
    return await metrics.measured("sync_batch", () => writeBatch(batch, memories, options), statusesOf);
  }

  async delete(memoryId: string, options: KeyOptions & WriteOptions): Promise<SyncOutcome> {
    const key = this.#parts.validator.validateKey(memoryId, options.namespace);
    const expectedVersion = this.#parts.validator.checkExpectedVersion(options.expectedVersion);
    const intent = { key, memory: null, expectedVersion, modifiedAt: null };
    return await this.#measured("delete", "delete", options, (signal) => this.#submit(intent, options, signal));
  }

  async rollback(memoryId: string, toVersion: number, options: KeyOptions & CallOptions): Promise<SyncOutcome> {
    const key = this.#parts.validator.validateKey(memoryId, options.namespace);
    return await this.#measured("rollback", "rollback", options, async (signal) =>
      orThrow(await this.#parts.history.rollback(key, toVersion, signal)),
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

  async #measured(
    operation: Operation,
    name: string,
    options: CallOptions,
    work: (signal: AbortSignal) => Promise<SyncOutcome>,
  ): Promise<SyncOutcome> {
    const { metrics, scope } = this.#parts;
    return await metrics.measured(
      operation,
      () => scope.run(name, options, work),
      (outcome) => [outcome.status],
    );
  }

  async #submit(intent: WriteIntent, options: WriteOptions, signal: AbortSignal): Promise<SyncOutcome> {
    const { batcher } = this.#parts.batch;
    const { wait = true, idempotencyKey } = options;
    if (idempotencyKey === undefined) return orThrow(await batcher.write(intent, wait, signal));
    checkIdempotencyKey(idempotencyKey);
    const [outcome] = await batcher.writeTogether([intent], { idempotencyKey }, wait, signal);
    return orThrow(outcome as SyncOutcome);
  }
}

function statusesOf(outcomes: readonly SyncOutcome[]): SyncOutcome["status"][] {
  return outcomes.map(({ status }) => status);
}

function orThrow(outcome: SyncOutcome): SyncOutcome {
  if (outcome.status === "failed") throw outcome.error ?? new InternalError("a failure without a reason");
  return outcome;
}
