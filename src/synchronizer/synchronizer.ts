import type { ConflictStrategy } from "../conflict/strategy.ts";
import type { CheckOptions } from "../consistency/check/check-options.ts";
import type { ConsistencyReport } from "../consistency/check/report.ts";
import type { PendingConflicts } from "../consistency/repair/pending-conflicts.ts";
import type { RepairOptions, RepairReport } from "../consistency/repair/repair-options.ts";
import { ConfigurationError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { Memory } from "../domain/memory.ts";
import type { MemoryInput } from "../domain/schema.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { ChangeEvent, ChangePage, ChangesOptions, ReadChangesOptions } from "../feed/change-options.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { MemoryVersion, VersionDiff } from "../read/history.ts";
import type { SearchResult } from "../read/reader.ts";
import type { HealthReport } from "../runtime/health-monitor.ts";
import type { ExportOptions } from "../transfer/export.ts";
import type { ExportRecord } from "../transfer/format.ts";
import type { ImportOptions, ImportReport } from "../transfer/import-options.ts";
import type { ImportSource } from "../transfer/records.ts";
import type { Backlog } from "../write/backlog.ts";
import type { BatchOptions } from "../write/batch-options.ts";
import type { SyncOutcome } from "../write/outcome.ts";
import type {
  CallOptions,
  HistoryOptions,
  KeyOptions,
  MemoryFields,
  RollbackOptions,
  SearchOptions,
  WriteOptions,
} from "./calls.ts";
import type { Capability } from "./capabilities.ts";
import { type Opened, open, openWithClients } from "./connect.ts";
import type { Clients, ConnectOptions, WithClientsOptions } from "./connect-options.ts";
import type { Metrics } from "./metrics.ts";
import { Operation } from "./operation.ts";
import type { Status } from "./status.ts";

let create: (opened: Opened) => MemorySynchronizer;

/** Wraps what was opened. The package's users go through `connect` and `withClients`. */
export function synchronizerOf(opened: Opened): MemorySynchronizer {
  return create(opened);
}

/**
 * Keeps memories consistent over Postgres, Redis and FAISS. Every call rejects with a `MnemosyncError`, whose `code` is
 * stable.
 */
export class MemorySynchronizer {
  readonly #parts: Opened["assembly"];
  readonly #operation: Operation;

  static {
    create = (opened) => new MemorySynchronizer(opened);
  }

  private constructor(opened: Opened) {
    if (opened?.assembly === undefined) {
      const advice = "await MemorySynchronizer.connect(options) or MemorySynchronizer.withClients(clients, options)";
      throw new ConfigurationError(`MemorySynchronizer has no public constructor: ${advice}`);
    }
    this.#parts = opened.assembly;
    this.#operation = new Operation(opened.assembly.operation, opened.close);
  }

  /**
   * Connects, brings the ledger's schema up to date, and opens the vector index (which it fills from the ledger as
   * needed). Redis may be away at that time; Postgres may not. On failure nothing stays open.
   * @throws {ConfigurationError} {StoreUnavailableError} {SchemaTooNewError}
   */
  static async connect(options: ConnectOptions, call: Pick<CallOptions, "signal"> = {}): Promise<MemorySynchronizer> {
    return create(await open(options, {}, call.signal ?? new AbortController().signal));
  }

  /**
   * As `connect`, on clients that the caller opened. `close` leaves them open.
   * @throws {ConfigurationError} {StoreUnavailableError} {SchemaTooNewError}
   */
  static async withClients(
    clients: Clients,
    options: WithClientsOptions = {},
    call: Pick<CallOptions, "signal"> = {},
  ): Promise<MemorySynchronizer> {
    return create(await openWithClients(clients, options, {}, call.signal ?? new AbortController().signal));
  }

  /** The name under which this node writes. */
  get nodeId(): string {
    return this.#operation.parts.nodeId;
  }

  /**
   * Writes one memory. Resolves with `synced`, `degraded` or `unchanged`.
   * @throws {ValidationError} naming the field. @throws {VersionConflictError} It is not at `expectedVersion`. @throws {StoreUnavailableError} {StoreRefusedError} Nothing was written.
   * @throws {CommitOutcomeUnknownError} @throws {QueueFullError} @throws {DeadlineExceededError} {AbortedError} Time was
   *   up: the write may still go through.
   */
  async syncMemory(memoryId: string, memory: MemoryFields, options: WriteOptions = {}): Promise<SyncOutcome> {
    return await this.#parts.writes.syncMemory(memoryId, memory, options);
  }

  /**
   * Writes many memories, `batchSize` to a transaction; the same memory twice keeps its order. One outcome per memory, in
   * order: a bad memory never sinks the rest.
   */
  async syncBatch(
    memories: Iterable<MemoryInput> | AsyncIterable<MemoryInput>,
    options: BatchOptions = {},
  ): Promise<SyncOutcome[]> {
    return await this.#parts.writes.syncBatch(memories, options);
  }

  /** The current version of a memory; null when there is none, or it is deleted or expired. */
  async get(memoryId: string, options: KeyOptions & CallOptions = {}): Promise<Memory | null> {
    return await this.#parts.reads.get(memoryId, options);
  }

  /**
   * The memories of a namespace nearest to a vector, or to a text where an embedder is set up; nearest first.
   * @throws {ValidationError} {StoreUnavailableError} @throws {ConfigurationError} There is no vector index.
   */
  async search(query: string | readonly number[] | Float32Array, options: SearchOptions = {}): Promise<SearchResult[]> {
    return await this.#parts.reads.search(query, options);
  }

  /** Deletes a memory: a version like any other. `unchanged` when there is none. Throws as `syncMemory` does. */
  async delete(memoryId: string, options: KeyOptions & WriteOptions = {}): Promise<SyncOutcome> {
    return await this.#parts.writes.delete(memoryId, options);
  }

  /** Versions of a memory that are kept, newest first: the current one and up to `historyVersionsMax` before it. */
  async history(memoryId: string, options: HistoryOptions = {}): Promise<MemoryVersion[]> {
    return await this.#parts.reads.history(memoryId, options);
  }

  /** How two versions of a memory differ, field by field. @throws {NotFoundError} One of them is not kept. */
  async diff(
    memoryId: string,
    fromVersion: number,
    toVersion: number,
    options: KeyOptions & CallOptions = {},
  ): Promise<VersionDiff> {
    return await this.#parts.reads.diff(memoryId, fromVersion, toVersion, options);
  }

  /**
   * Writes the content of an older version as a new one.
   * @throws {NotFoundError} It is not kept. @throws {VersionConflictError} Another write came between, or the memory is not
   *   at `expectedVersion`. Otherwise as `syncMemory`.
   */
  async rollback(memoryId: string, toVersion: number, options: RollbackOptions = {}): Promise<SyncOutcome> {
    return await this.#parts.writes.rollback(memoryId, toVersion, options);
  }

  /** The memories that a transaction wrote, each with the version it gave them; null for an unknown or forgotten one. */
  async transaction(
    transactionId: string,
    options: CallOptions = {},
  ): Promise<readonly (MemoryKey & { readonly version: number })[] | null> {
    return await this.#parts.reads.transaction(transactionId, options);
  }

  /**
   * Undoes a transaction by new versions, all of its memories or none: when one was written since, nothing is undone and
   * its outcome is `conflict`. @throws {NotFoundError}
   */
  async rollbackTransaction(transactionId: string, options: CallOptions = {}): Promise<SyncOutcome[]> {
    return await this.#parts.writes.rollbackTransaction(transactionId, options);
  }

  /** Compares the stores. @throws {StoreUnavailableError} A store did not answer: the check claims nothing. */
  async checkConsistency(options: CheckOptions = {}): Promise<ConsistencyReport> {
    return await this.#parts.checks.check(options);
  }

  /** Repairs the findings of a check, each repair verified by reading back. */
  async repairInconsistencies(
    report: Pick<ConsistencyReport, "findings">,
    options: RepairOptions = {},
  ): Promise<RepairReport> {
    return await this.#parts.checks.repair(report, options);
  }

  /** Makes a conflict strategy available by its name. @throws {ConfigurationError} The name is taken, or no name. */
  registerStrategy(strategy: ConflictStrategy): void {
    this.#parts.checks.strategies.register(strategy);
  }

  /** Conflicts: those that repairs decided, and those that await a decision. */
  get conflicts(): PendingConflicts {
    return this.#parts.checks.conflicts;
  }

  /**
   * All memories with their versions, vectors and embeddings, record by record (see `exportLine`). Memories that are
   * `local_only` are left out unless asked for.
   * @throws {StoreUnavailableError} {AbortedError} While it is iterated. The records until then are good: go on `after`.
   */
  exportMemories(options: ExportOptions = {}): AsyncGenerator<ExportRecord, void, undefined> {
    return this.#parts.transfers.exportMemories(options);
  }

  /**
   * Writes the memories of an export: new ones at the versions that they had. A bad record is reported, and the rest goes
   * on. Again after an interruption, it ends the same.
   * @param source bytes of an NDJSON file, or records.
   * @throws {ConfigurationError} It is no export. @throws {StoreUnavailableError} @throws {AbortedError}
   */
  async importMemories(source: ImportSource, options: ImportOptions = {}): Promise<ImportReport> {
    return await this.#parts.transfers.importMemories(source, options);
  }

  /**
   * The changes of all nodes, oldest first: an endless stream that is pulled, so a slow reader holds up nothing. Each event
   * has a cursor; a reader that keeps it with its own data and goes on from it is told every change once, in order per
   * memory. A memory that changes often is told at some of its versions, the last one included. While the ledger is away the
   * stream waits and tries again.
   * @throws {ValidationError} At once: an option or the cursor is malformed, or the cursor belongs to another filter.
   * @throws {EpochChangedError} While it is iterated: the database went back to another history; start without a cursor.
   * @throws {ClosedError} While it is iterated: this synchronizer was closed.
   */
  changes(options: ChangesOptions = {}): AsyncGenerator<ChangeEvent, void, undefined> {
    return this.#parts.changes.changes(options);
  }

  /**
   * One page of changes, with the cursor of the next one; with `waitMs` it waits for the first change. For readers that ask
   * again and again. Readers that wait at one place share one read.
   * @throws {ValidationError} {EpochChangedError} {StoreUnavailableError} @throws {QueueFullError} Too many readers wait.
   */
  async readChanges(options: ReadChangesOptions & CallOptions = {}): Promise<ChangePage> {
    return await this.#parts.changes.readChanges(options);
  }

  /**
   * Starts the background work: the backlog, expired memories, other nodes' writes, checks and repairs, jobs, health
   * checks. `status().services` lists it. Calling it twice is calling it once.
   */
  start(): void {
    this.#operation.start();
  }

  /** Committed changes that a store lacks: list them, work them off, pause them. */
  get backlog(): Backlog {
    return this.#operation.parts.backlog;
  }

  /** Checks, repairs and other long work of all nodes, kept in the ledger. */
  get jobs(): Jobs {
    return this.#operation.parts.jobs;
  }

  /** Metrics of this synchronizer: `await sync.metrics.text()` is what Prometheus reads. */
  get metrics(): Metrics {
    return this.#operation.parts.metrics;
  }

  /** Health of each store as last seen. Asks no store; `status` does. Watched once `start` was called. */
  health(): Readonly<Record<StoreId, HealthReport>> {
    return this.#operation.health();
  }

  /** What the stores' health, as last seen, leaves possible. Asks no store. */
  capabilities(): Readonly<Record<Capability, boolean>> {
    return this.#operation.capabilities();
  }

  /** State and size of each store, the backlog, the last clean check. A store that is away is reported as `down`. */
  async status(options: CallOptions = {}): Promise<Status> {
    return await this.#operation.status(options);
  }

  /** Settles the accepted writes, saves the vector index, closes what `connect` opened. Safe twice. */
  async close(): Promise<void> {
    await this.#operation.close();
  }
}
