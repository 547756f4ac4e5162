import type * as api from "./api.ts";
import { assertOpened, type Opened, open, openWithClients } from "./connect.ts";
import { Operation } from "./operation.ts";

let create: (opened: Opened) => MemorySynchronizer;

/** Wraps what was opened. Users of the package go through `connect` and `withClients`. */
export const synchronizerOf = (opened: Opened): MemorySynchronizer => create(opened);

/** Keeps memories consistent over all stores. Metadata has the type `M`, unchecked. Calls reject with a `MnemosyncError`. */
export class MemorySynchronizer<M extends object = api.JsonObject> {
  /** The name under which this node writes. */
  readonly nodeId: string;
  /** Committed changes that a store lacks: list them, work them off, pause them. */
  readonly backlog: api.Backlog;
  /** Conflicts: those that repairs decided, and those that await a decision. */
  readonly conflicts: api.PendingConflicts;
  /** Checks, repairs and other long work of all nodes, kept in the ledger. */
  readonly jobs: api.Jobs;
  /** Erasures of all nodes, and their receipts. */
  readonly erasures: api.Erasures;
  /** Webhooks: HTTP calls that tell receivers of changes and of events of the service. */
  readonly subscriptions: api.Subscriptions;
  /** The hub of edges: what their devices call, and the devices. */
  readonly hub: api.HubService;
  /** The replica: a second database that is written from the feed. */
  readonly replica: api.ReplicaOperations;
  /** Connectors to other services: their definitions, their runs, and what operators do about them. */
  readonly connectors: api.Connectors;
  /** The shared stores of the deployment, on whatever node they run. */
  readonly stores: api.SharedStores;
  /** Metrics of this synchronizer: `await sync.metrics.text()` is what Prometheus reads. */
  readonly metrics: api.Metrics;
  readonly #parts: Opened["assembly"];
  readonly #operation: Operation;
  static {
    create = (opened) => new MemorySynchronizer(opened);
  }

  private constructor(opened: Opened) {
    this.#parts = assertOpened(opened).assembly;
    this.#operation = new Operation(opened.assembly.operation, opened.close);
    this.conflicts = opened.assembly.checks.conflicts;
    const { nodeId, backlog, jobs, subscriptions, hub, replica, connectors, stores, metrics } =
      opened.assembly.operation;
    this.nodeId = nodeId;
    this.erasures = opened.assembly.erasures;
    this.backlog = backlog;
    this.jobs = jobs;
    this.subscriptions = subscriptions;
    this.hub = hub;
    this.replica = replica;
    this.connectors = connectors;
    this.stores = stores;
    this.metrics = metrics;
  }

  /**
   * Connects, brings the ledger's schema up to date, opens the vector index and fills it from the ledger as needed. Redis
   * may be away at that time; Postgres may not. On failure nothing stays open.
   * @throws {ConfigurationError} {StoreUnavailableError} {SchemaTooNewError}
   */
  static async connect<M extends object = api.JsonObject>(options: api.ConnectOptions, call: api.AbortOptions = {}) {
    return new MemorySynchronizer<M>(await open(options, {}, call.signal));
  }

  /** As `connect`, on clients that the caller opened; `close` leaves them open. */
  static async withClients<M extends object = api.JsonObject>(
    clients: api.Clients,
    options: api.WithClientsOptions = {},
    call: api.AbortOptions = {},
  ): Promise<MemorySynchronizer<M>> {
    return new MemorySynchronizer<M>(await openWithClients(clients, options, {}, call.signal));
  }

  /**
   * Writes one memory, as a whole: a field that is not given gets its default (`patch` keeps it). Resolves with `synced`, `degraded` or `unchanged`.
   * @throws {ValidationError} {StoreUnavailableError} {StoreRefusedError} {QueueFullError} Nothing was written.
   * @throws {VersionConflictError} It is not at `expectedVersion`. @throws {IdempotencyKeyReusedError}
   * @throws {CommitOutcomeUnknownError} {DeadlineExceededError} {AbortedError} It may have been written, or be written yet.
   */
  syncMemory(memoryId: string, memory: api.MemoryFields<M>, options: api.WriteOptions = {}): Promise<api.SyncOutcome> {
    return this.#parts.writes.syncMemory(memoryId, memory, options);
  }

  /**
   * Writes many memories, `batchSize` to a transaction; the same memory twice keeps its order. One outcome per memory, in
   * order: a bad memory does not keep the others from being written.
   */
  syncBatch(memories: api.MemoryInputs<M>, options: api.BatchOptions = {}): Promise<api.SyncOutcome[]> {
    return this.#parts.writes.syncBatch(memories, options);
  }

  /** The current version of a memory; null when there is none, or it is deleted or expired. */
  get(memoryId: string, options: api.GetOptions = {}): Promise<api.Memory<M> | null> {
    return this.#parts.reads.get(memoryId, options);
  }

  /** The current versions of up to 1,000 memories of a namespace, in the order of `memoryIds`; null as `get` has it. */
  getMany(memoryIds: readonly string[], options: api.GetOptions = {}): Promise<(api.Memory<M> | null)[]> {
    return this.#parts.reads.getMany(memoryIds, options);
  }

  /**
   * A page of a namespace's memories, from the ledger. Pages neither skip nor repeat a memory that stays in place while others
   * are written. A page may be short, where few memories pass the filter or time runs out: the end is `cursor: null`.
   * @throws {ValidationError} also for a cursor of another namespace, filter or order. @throws {DeadlineExceededError}
   */
  list(options: api.ListOptions = {}): Promise<api.MemoryPage<M>> {
    return this.#parts.finds.list(options);
  }

  /** The memories of all pages of `list`, which are read as they are iterated. */
  listAll(options: api.ListAllOptions = {}): AsyncGenerator<api.ListedMemory<M>, void, undefined> {
    return this.#parts.finds.listAll(options);
  }

  /**
   * How many memories of a namespace pass a filter: counted, or with `estimate: true` guessed by PostgreSQL's planner.
   * @throws {DeadlineExceededError} There are too many to count within `timeoutMs`.
   */
  count(options: api.CountOptions = {}): Promise<api.MemoryCount> {
    return this.#parts.finds.count(options);
  }

  /** A page of the namespaces that have memories, or had: a deletion leaves its version in the ledger. */
  namespaces(options: api.NamespacesOptions = {}): Promise<api.NamespacePage> {
    return this.#parts.finds.namespaces(options);
  }

  /** The memories of a namespace nearest to a vector or a text, by vector, by words, or by both (`mode`), best first. */
  search(query: api.SearchQuery, options: api.SearchOptions<M> = {}): Promise<api.SearchResult<M>[]> {
    return this.#parts.reads.search(query, options as api.SearchOptions<never>);
  }

  /** Deletes a memory: a version like any other. `unchanged` when there is none. Throws as `syncMemory` does. */
  delete(memoryId: string, options: api.DeleteOptions = {}): Promise<api.SyncOutcome> {
    return this.#parts.writes.delete(memoryId, options);
  }

  /**
   * Changes the named fields of a memory; the others stay. Metadata is changed by a merge patch (RFC 7396). Without
   * `expectedVersion` it is repeated on the newer version when another write comes between, up to 20 times.
   * @throws {NotFoundError} There is none. @throws {VersionConflictError} @throws {ValidationError} also where the content
   * changes and `embedding` is not chosen, though nothing makes a new vector. Otherwise throws as `syncMemory` does.
   */
  patch(memoryId: string, changes: api.MemoryPatch<M>, options: api.PatchOptions = {}): Promise<api.SyncOutcome> {
    return this.#parts.writes.patch(memoryId, changes as api.MemoryPatch, options);
  }

  /**
   * Erases a memory, or all of a namespace that pass a filter: their content leaves every store for good, with its history,
   * and their ids stay suppressed: writing one throws `ErasedError` until `revive`. Waits until this node's stores hold
   * nothing any more; the receipt says what other nodes still have to confirm. docs/erasure.md lists copies outside the stores.
   * @throws {ValidationError} {QueueFullError} @throws {StoreUnavailableError} It is taken up again by itself.
   */
  erase(target: api.EraseTarget, options: api.EraseOptions = {}): Promise<api.Erasure> {
    return this.#parts.erasures.erase(target, options);
  }

  /** As `erase`, for all memories of a namespace, ended ones included. What is written meanwhile may stay. */
  eraseNamespace(namespace: string, options: Omit<api.EraseOptions, "namespace"> = {}): Promise<api.Erasure> {
    return this.#parts.erasures.eraseNamespace(namespace, options);
  }

  /** Makes an erased id usable again: a version like any other, without content. @throws {NotFoundError} It is not erased. */
  revive(memoryId: string, options: api.ReadOptions = {}): Promise<api.SyncOutcome> {
    return this.#parts.erasures.revive(memoryId, options);
  }

  /** Versions of a memory that are kept, newest first: the current one and up to `historyVersionsMax` before it. */
  history(memoryId: string, options: api.HistoryOptions = {}): Promise<api.MemoryVersion<M>[]> {
    return this.#parts.reads.history(memoryId, options);
  }

  /** How two versions of a memory differ, field by field. @throws {NotFoundError} One of them is not kept. */
  diff(id: string, fromVersion: number, toVersion: number, options: api.ReadOptions = {}): Promise<api.VersionDiff> {
    return this.#parts.reads.diff(id, fromVersion, toVersion, options);
  }

  /**
   * Writes the content of an older version as a new one. @throws {NotFoundError} It is not kept.
   * @throws {VersionConflictError} Another write came between, or the memory is not at `expectedVersion`.
   */
  rollback(memoryId: string, toVersion: number, options: api.RollbackOptions = {}): Promise<api.SyncOutcome> {
    return this.#parts.writes.rollback(memoryId, toVersion, options);
  }

  /** The memories that a transaction wrote, each with the version it gave them; null: unknown, or no longer kept. */
  transaction(id: string, options: api.CallOptions = {}): Promise<readonly api.WrittenVersion[] | null> {
    return this.#parts.reads.transaction(id, options);
  }

  /** Undoes a transaction by new versions, all or none: `conflict` where one was written since. @throws {NotFoundError} */
  rollbackTransaction(transactionId: string, options: api.CallOptions = {}): Promise<api.SyncOutcome[]> {
    return this.#parts.writes.rollbackTransaction(transactionId, options);
  }

  /**
   * What each store holds of a memory now, beside the ledger: version, checksum, content where it holds contents, and how it differs.
   * Seen without a lock, so a write on its way looks like drift: a check proves it. A store that gives no answer says so.
   */
  copies(memoryId: string, options: api.ReadOptions = {}): Promise<api.MemoryCopies> {
    return this.#parts.checks.copies(memoryId, options);
  }

  /** Compares the stores. @throws {StoreUnavailableError} A store did not answer: the check claims nothing. */
  checkConsistency(options: api.CheckOptions = {}): Promise<api.ConsistencyReport> {
    return this.#parts.checks.check(options);
  }

  /** Repairs the findings of a check, each repair verified by reading back. */
  repairInconsistencies(report: api.CheckFindings, options: api.RepairOptions = {}): Promise<api.RepairReport> {
    return this.#parts.checks.repair(report, options);
  }

  /**
   * Gives all memories (or those that `where` chooses) vectors of this node's embedder, as new versions of unchanged content, and waits
   * for the job. Made for a node with the settings of a new model, with an index folder of its own, beside nodes of the
   * former one, which go on serving: this node refuses searches until the job is done. A job that was cut short is resumed.
   * @throws {ConfigurationError} No embedder, or one of another model than `model`.
   * @throws {EmbeddingError} {StoreUnavailableError} What was embedded stays; call again.
   */
  reembed(options: api.ReembedOptions = {}): Promise<api.ReembedReport> {
    return this.#parts.reembeddings.run(options);
  }

  /** Makes a conflict strategy available by its name. @throws {ConfigurationError} The name is taken, or no name. */
  registerStrategy(strategy: api.ConflictStrategy): void {
    this.#parts.checks.strategies.register(strategy);
  }

  /**
   * All memories with their versions and embeddings, record by record (see `exportLine`). `local_only` ones are left out
   * unless asked for. @throws {StoreUnavailableError} {AbortedError} While it is iterated: go on with `after`.
   */
  exportMemories(options: api.ExportOptions = {}): AsyncGenerator<api.ExportRecord, void, undefined> {
    return this.#parts.transfers.exportMemories(options);
  }

  /** Writes an export (NDJSON bytes, or records): new memories at their versions. It reports bad records. Safe to repeat. */
  importMemories(source: api.ImportSource, options: api.ImportOptions = {}): Promise<api.ImportReport> {
    return this.#parts.transfers.importMemories(source, options);
  }

  /**
   * The changes of all nodes, oldest first: an endless stream that is pulled, and that waits while the ledger is away. A
   * reader that keeps an event's cursor with its own data goes on from it without a gap or a repetition, in order per memory.
   * @throws {ValidationError} At once. @throws {EpochChangedError} While it is iterated: the database went back.
   */
  changes(options: api.ChangesOptions = {}): AsyncGenerator<api.ChangeEvent, void, undefined> {
    return this.#parts.changes.changes(options);
  }

  /** One page of changes, with the cursor of the next one; with `waitMs` it waits for the first change. */
  readChanges(options: api.ReadChangesOptions & api.CallOptions = {}): Promise<api.ChangePage> {
    return this.#parts.changes.readChanges(options);
  }

  /** Calls `listener` for what happens; it holds up nothing. docs/events.md has the names. @returns ends it. */
  on<Name extends api.EventName>(name: Name, listener: api.EventListener<Name>): () => void {
    return this.#parts.changes.on(name, listener);
  }

  /** Starts the background work, which `status().services` lists. Calling it twice is calling it once. */
  start(): void {
    this.#operation.start();
  }

  /** Health of each store as last seen, by store id. Asks no store; `status` does. Watched once `start` was called. */
  health(): Readonly<Record<api.StoreId, api.HealthReport>> {
    return this.#operation.health();
  }

  /** What the stores' health, as last seen, leaves possible. Asks no store. */
  capabilities(): Readonly<Record<api.Capability, boolean>> {
    return this.#operation.capabilities();
  }

  /** State and size of each store, the backlog, the last clean check. A store that is away is reported as `down`. */
  status(options: api.StatusOptions = {}): Promise<api.Status> {
    return this.#operation.status(options);
  }

  /** Settles the accepted writes, saves the vector index, closes what `connect` opened. Safe twice. */
  close(): Promise<void> {
    return this.#operation.close();
  }

  /** Closes at the end of a block: `await using sync = await MemorySynchronizer.connect(options)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
