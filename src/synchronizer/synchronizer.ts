import type { Options } from "../config/options.ts";
import type { ConflictStrategy } from "../conflict/strategy.ts";
import type { CheckOptions } from "../consistency/check/check-options.ts";
import type { ConsistencyReport } from "../consistency/check/report.ts";
import type { PendingConflicts } from "../consistency/repair/pending-conflicts.ts";
import type { RepairOptions, RepairReport } from "../consistency/repair/repair-options.ts";
import { AbortedError, ClosedError, ConfigurationError, InternalError, MnemosyncError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryInput } from "../domain/schema.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { Embedder } from "../embed/embedder.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { MemoryVersion, VersionDiff } from "../read/history.ts";
import type { Memory } from "../read/memory.ts";
import { compileFilter } from "../read/memory-filter.ts";
import type { SearchResult } from "../read/reader.ts";
import { abortError, untilAborted } from "../runtime/deadline.ts";
import type { HealthMonitor, HealthReport } from "../runtime/health-monitor.ts";
import type { Operation } from "../runtime/metric-names.ts";
import { withSharedDeadline } from "../runtime/shared-deadline.ts";
import { type ExportOptions, exportRecords } from "../transfer/export.ts";
import type { ExportRecord } from "../transfer/format.ts";
import { importRecords } from "../transfer/import.ts";
import type { ImportOptions, ImportReport } from "../transfer/import-options.ts";
import type { ImportSource } from "../transfer/records.ts";
import type { Backlog } from "../write/backlog.ts";
import { writeBatch } from "../write/batch.ts";
import type { BatchOptions } from "../write/batch-options.ts";
import { checkIdempotencyKey } from "../write/batch-together.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type { WriteIntent } from "../write/plan.ts";
import type { Parts } from "./assemble.ts";
import type {
  CallOptions,
  ConnectExtras,
  KeyOptions,
  MemoryFields,
  OwnClients,
  SearchOptions,
  WriteOptions,
} from "./calls.ts";
import { type Capability, capabilitiesOf } from "./capabilities.ts";
import { borrow, type Connected, connect } from "./connect.ts";
import type { Metrics } from "./metrics.ts";
import { readStatus, type Status } from "./status.ts";

/**
 * Keeps memories consistent over Postgres, Redis and FAISS. Wires the parts; the protocol is in `write/`, the checks in
 * `consistency/`.
 */
export class MemorySynchronizer {
  readonly #parts: Parts;
  readonly #disconnect: () => Promise<void>;
  #closing: Promise<void> | null = null;

  /** With clients of the caller's: they are used, and left open by `close`. Await `initialize` before the first call. */
  constructor(own: OwnClients | Connected) {
    const { parts, close } = "parts" in own ? own : borrow(own);
    this.#parts = parts;
    this.#disconnect = close;
  }

  /**
   * Connects, brings the ledger's schema up to date, opens the vector index (and fills it from the ledger as needed).
   * Redis may be away at that time; Postgres may not.
   * @throws {ConfigurationError} {StoreUnavailableError} {SchemaTooNewError}
   */
  static async connect(
    options: Omit<Options, "stores"> & ConnectExtras,
    call: { signal?: AbortSignal } = {},
  ): Promise<MemorySynchronizer> {
    const { embedder, stores, log, onIndexProgress, onStep, ...settings } = options;
    const extras = { embedder, stores, log, onIndexProgress, onStep };
    return new MemorySynchronizer(await connect(settings, extras, call.signal ?? new AbortController().signal));
  }

  /** Brings the ledger's schema up to date. Done by `connect` already. */
  async initialize(call: CallOptions = {}): Promise<void> {
    await this.#call("initialize", call, async (signal) => {
      await this.#parts.ledger.migrate(signal);
      await this.#parts.deployment.register(signal);
    });
  }

  /** The name under which this node writes. */
  get nodeId(): string {
    return this.#parts.ledger.nodeId;
  }

  /**
   * Writes one memory. Resolves with `synced`, `degraded`, `unchanged` or `conflict`.
   * @throws {ValidationError} naming the field. @throws {StoreUnavailableError} {StoreRefusedError} Nothing was written.
   * @throws {CommitOutcomeUnknownError} @throws {QueueFullError} @throws {DeadlineExceededError} {AbortedError} Time was
   *   up: the write may still go through.
   */
  async syncMemory(memoryId: string, memory: MemoryFields, options: WriteOptions = {}): Promise<SyncOutcome> {
    return await this.#write("sync_memory", options, async (signal) => {
      const [intent] = await this.#parts.intake.prepare([{ ...memory, memoryId }], options, signal);
      if (intent === undefined) throw new InternalError("an input without a result");
      if ("error" in intent) throw intent.error;
      return await this.#submit(intent, options, signal);
    });
  }

  /**
   * Writes many memories, `batchSize` to a transaction; the same memory twice keeps its order. One outcome per memory, in
   * order: a bad memory never sinks the rest.
   */
  async syncBatch(
    memories: Iterable<MemoryInput> | AsyncIterable<MemoryInput>,
    options: BatchOptions = {},
  ): Promise<SyncOutcome[]> {
    this.#assertOpen();
    return await this.#parts.metrics.measured(
      "sync_batch",
      () => writeBatch(this.#parts, memories, options),
      (outcomes) => outcomes.map(({ status }) => status),
    );
  }

  /** The current version of a memory; null when there is none, or it is deleted or expired. */
  async get(memoryId: string, options: KeyOptions & CallOptions = {}): Promise<Memory | null> {
    const key = this.#parts.validator.validateKey(memoryId, options.namespace);
    return await this.#call("get", options, (signal) => this.#parts.reader.getOne(key, signal));
  }

  /**
   * The memories of a namespace nearest to a vector, or to a text where an embedder is set up; nearest first.
   * @throws {ValidationError} {StoreUnavailableError}
   */
  async search(query: string | readonly number[] | Float32Array, options: SearchOptions = {}): Promise<SearchResult[]> {
    const { validator, reader, embedder } = this.#parts;
    const { k = 10, scoreMin = Number.NEGATIVE_INFINITY } = options;
    const filter = compileFilter(options.filter);
    const { namespace } = validator.validateKey("-", options.namespace);
    validator.checkCount(k, "k", 1_000);
    return await this.#parts.metrics.searched(() =>
      this.#call("search", options, async (signal) => {
        const vector = typeof query === "string" ? await embedQuery(embedder, query, signal) : query;
        const checked = validator.checkEmbedding(vector, "query");
        return await reader.search(namespace, checked, { k, scoreMin, filter }, signal);
      }),
    );
  }

  /** Deletes a memory: a version like any other. `unchanged` when there is none. Throws as `syncMemory` does. */
  async delete(memoryId: string, options: KeyOptions & WriteOptions = {}): Promise<SyncOutcome> {
    const key = this.#parts.validator.validateKey(memoryId, options.namespace);
    const expectedVersion = this.#parts.validator.checkExpectedVersion(options.expectedVersion);
    const intent = { key, memory: null, expectedVersion, modifiedAt: null };
    return await this.#write("delete", options, (signal) => this.#submit(intent, options, signal));
  }

  /** Versions of a memory that are kept, newest first: the current one and up to `historyVersionsMax` before it. */
  async history(
    memoryId: string,
    options: KeyOptions & CallOptions & { limit?: number } = {},
  ): Promise<MemoryVersion[]> {
    const key = this.#parts.validator.validateKey(memoryId, options.namespace);
    return await this.#call("history", options, (signal) =>
      this.#parts.history.list(key, options.limit ?? 1_000, signal),
    );
  }

  /** How two versions of a memory differ, field by field. @throws {NotFoundError} One of them is not kept. */
  async diff(
    memoryId: string,
    fromVersion: number,
    toVersion: number,
    options: KeyOptions & CallOptions = {},
  ): Promise<VersionDiff> {
    const key = this.#parts.validator.validateKey(memoryId, options.namespace);
    return await this.#call("diff", options, (signal) => this.#parts.history.diff(key, fromVersion, toVersion, signal));
  }

  /**
   * Writes the content of an older version as a new one.
   * @throws {NotFoundError} It is not kept. Otherwise as `syncMemory`; `conflict` when somebody wrote meanwhile.
   */
  async rollback(memoryId: string, toVersion: number, options: KeyOptions & CallOptions = {}): Promise<SyncOutcome> {
    const key = this.#parts.validator.validateKey(memoryId, options.namespace);
    return await this.#write("rollback", options, async (signal) =>
      orThrow(await this.#parts.history.rollback(key, toVersion, signal)),
    );
  }

  /** The memories that a transaction wrote, each with the version it gave them; null for one that is not known (any more). */
  async transaction(
    transactionId: string,
    options: CallOptions = {},
  ): Promise<readonly (MemoryKey & { readonly version: number })[] | null> {
    return await this.#call("transaction", options, (signal) =>
      this.#parts.ledger.readTransaction(transactionId, signal),
    );
  }

  /**
   * Undoes a transaction by new versions, all of its memories or none: when one was written since, nothing is undone and
   * its outcome is `conflict`. @throws {NotFoundError}
   */
  async rollbackTransaction(transactionId: string, options: CallOptions = {}): Promise<SyncOutcome[]> {
    return await this.#parts.metrics.measured(
      "rollback_transaction",
      () =>
        this.#call("rollbackTransaction", options, (signal) =>
          this.#parts.history.rollbackTransaction(transactionId, signal),
        ),
      (outcomes) => outcomes.map(({ status }) => status),
    );
  }

  /** What is committed and not yet everywhere: look, work it off, pause it. */
  get backlog(): Backlog {
    return this.#parts.backlog;
  }

  /**
   * Starts the background loops. Every `syncIntervalMs`: the backlog, expired memories; other nodes' writes as often, and
   * as soon as they tell of them. Every `consistencyCheckIntervalMs`: what changed is checked, and a slice of everything,
   * and what is found is repaired (one node of all checks the shared stores, each its own index). Twice is once.
   */
  start(): void {
    this.#assertOpen();
    this.#parts.syncLoop.start();
    this.#parts.followLoop?.start();
    this.#parts.leadership.start();
    this.#parts.consistencyLoop.start();
    this.#parts.jobRunner.start();
    for (const monitor of this.#parts.monitors) monitor.start();
    this.#parts.pools?.start();
  }

  /** Checks, repairs and other long work, kept in the ledger: those of all nodes. */
  get jobs(): Jobs {
    return this.#parts.jobs;
  }

  /** What this synchronizer counts and measures: `await sync.metrics.text()` is what Prometheus reads. */
  get metrics(): Metrics {
    return this.#parts.metrics;
  }

  /** Health of each store as last seen: asks nobody. Watched once `start` was called; `status` asks. */
  health(): Readonly<Record<StoreId, HealthReport>> {
    return Object.fromEntries(this.#parts.monitors.map((monitor: HealthMonitor) => [monitor.store, monitor.report()]));
  }

  /** What the stores' health, as last seen, leaves possible: asks nobody. */
  capabilities(): Readonly<Record<Capability, boolean>> {
    return capabilitiesOf(this.health(), {
      onStoreDown: this.#parts.options.onStoreDown,
      cache: this.#parts.stores.cache?.id ?? null,
      vectorIndex: this.#parts.stores.vectorIndex?.id ?? null,
    });
  }

  /** Makes a conflict strategy available by its name. @throws {ConfigurationError} The name is taken, or no name. */
  registerStrategy(strategy: ConflictStrategy): void {
    this.#parts.strategies.register(strategy);
  }

  /** What repairs decided, and what waits for somebody to decide. */
  get conflicts(): PendingConflicts {
    return this.#parts.conflicts;
  }

  /** Compares the stores. @throws {StoreUnavailableError} One of them could not be looked at: nothing is claimed then. */
  async checkConsistency(options: CheckOptions = {}): Promise<ConsistencyReport> {
    return await this.#work("checkConsistency", options.signal, () => this.#parts.checker.run(options));
  }

  /** Repairs what a check found, each finding verified by reading back. */
  async repairInconsistencies(
    report: Pick<ConsistencyReport, "findings">,
    options: RepairOptions = {},
  ): Promise<RepairReport> {
    const strategy = options.strategy ?? this.#parts.options.repairStrategy;
    return await this.#work("repairInconsistencies", options.signal, () =>
      this.#parts.repairer.run(report, { ...options, strategy }),
    );
  }

  /**
   * All memories with their versions, vectors and embeddings, record by record (see `exportLine`). Memories that are
   * `local_only` are left out unless asked for.
   * @throws {StoreUnavailableError} {AbortedError} While it is iterated. The records until then are good: go on `after`.
   */
  exportMemories(options: ExportOptions = {}): AsyncGenerator<ExportRecord, void, undefined> {
    this.#assertOpen();
    if (options.namespace !== undefined) this.#parts.validator.validateKey("-", options.namespace);
    return exportRecords(this.#parts.exporter, options, options.signal ?? new AbortController().signal);
  }

  /**
   * Writes the memories of an export: new ones at the versions that they had. A bad record is reported, and the rest goes
   * on. Again after an interruption, it ends the same.
   * @param source bytes of an NDJSON file, or records.
   * @throws {ConfigurationError} It is no export. @throws {StoreUnavailableError} @throws {AbortedError}
   */
  async importMemories(source: ImportSource, options: ImportOptions = {}): Promise<ImportReport> {
    const signal = options.signal ?? new AbortController().signal;
    return await this.#work("importMemories", signal, () =>
      importRecords(this.#parts.importer, source, options, signal),
    );
  }

  /** State and size of each store, the backlog, and the last clean check. Never rejects for a store that is away. */
  async status(options: CallOptions = {}): Promise<Status> {
    return await this.#call("status", options, (signal) => readStatus(this.#parts, signal));
  }

  /** Settles the writes that were taken, saves the vector index, closes what `connect` opened. Safe twice. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    const { syncLoop, followLoop, consistencyLoop, jobRunner, leadership, monitors } = this.#parts;
    await Promise.all([
      syncLoop.stop(),
      followLoop?.stop(),
      consistencyLoop.stop(),
      jobRunner.stop(),
      ...monitors.map((monitor) => monitor.stop()),
    ]);
    await leadership.stop();
    await this.#parts.batcher.close();
    await Promise.all([...this.#parts.gates, this.#parts.ledgerGate].map((gate) => gate.idle()));
    await this.#parts.feedSignal.close();
    await this.#disconnect();
  }

  /** A call that writes one memory, counted. */
  async #write(
    operation: Operation,
    options: CallOptions,
    work: (signal: AbortSignal) => Promise<SyncOutcome>,
  ): Promise<SyncOutcome> {
    return await this.#parts.metrics.measured(
      operation,
      () => this.#call(operation === "sync_memory" ? "syncMemory" : operation, options, work),
      ({ status }) => [status],
    );
  }

  async #submit(intent: WriteIntent, options: WriteOptions, signal: AbortSignal): Promise<SyncOutcome> {
    const { wait = true, idempotencyKey } = options;
    if (idempotencyKey === undefined) return orThrow(await this.#parts.batcher.write(intent, wait, signal));
    checkIdempotencyKey(idempotencyKey);
    const [outcome] = await this.#parts.batcher.writeTogether([intent], { idempotencyKey }, wait, signal);
    return orThrow(outcome as SyncOutcome);
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new ClosedError("the synchronizer");
  }

  /** Runs what may take long and stops at its caller's word alone. */
  async #work<T>(what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted && !(error instanceof MnemosyncError)) throw new AbortedError(what, { cause: signal.reason });
      throw error;
    }
  }

  /** Runs a call within its deadline: whatever becomes of it, the caller is answered in time. */
  async #call<T>(what: string, call: CallOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#assertOpen();
    const timeoutMs = call.timeoutMs ?? this.#parts.options.callTimeoutMs;
    return await withSharedDeadline(timeoutMs, call.signal, async (signal) => {
      try {
        return await untilAborted(work(signal), signal);
      } catch (error) {
        if (signal.aborted && (error === signal.reason || !(error instanceof MnemosyncError))) {
          throw abortError(what, signal, timeoutMs);
        }
        throw error;
      }
    });
  }
}

async function embedQuery(embedder: Embedder | null, text: string, signal: AbortSignal): Promise<Float32Array> {
  const [vector] = (await embedder?.embed([text], signal)) ?? [];
  if (vector !== undefined) return vector;
  throw new ConfigurationError("search by text needs an embedder: set embedding.provider, or search by vector");
}

function orThrow(outcome: SyncOutcome): SyncOutcome {
  if (outcome.status === "failed") throw outcome.error ?? new InternalError("a failure without a reason");
  return outcome;
}
