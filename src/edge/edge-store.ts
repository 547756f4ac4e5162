import { ClosedError, ConfigurationError, NotFoundError, ValidationError } from "../domain/errors.ts";
import { parseFilter } from "../domain/filter/filter.ts";
import { DEFAULT_NAMESPACE, type MemoryKey } from "../domain/keys.ts";
import type { MemoryFields } from "../domain/memory-input.ts";
import { MemoryValidator } from "../domain/schema.ts";
import { type Listener, Listeners } from "../runtime/listeners.ts";
import { silentLog } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metric-base.ts";
import { type DoctorReport, examineEdge } from "./doctor.ts";
import type { EdgeListOptions, EdgeSearchOptions, EdgeStatus, InNamespace } from "./edge-calls.ts";
import { type EdgeConnectors, edgeConnectors } from "./edge-connectors.ts";
import { type EdgeSetup, type OpenExtras, type OpenOptions, readOptions } from "./edge-options.ts";
import { EdgeSync } from "./edge-sync.ts";
import type { EdgeEvents } from "./events.ts";
import type { ChoiceOfConflict, ConflictView } from "./file/conflict-views.ts";
import type { EdgeMemory, EdgePage, FoundMemory } from "./file/reads.ts";
import type { QueueItem } from "./file/status-reads.ts";
import { edgeMetrics } from "./metrics.ts";
import { type EdgePatch, patchOf } from "./patch.ts";
import { conflictsFolder } from "./settings.ts";
import { chooseDriver } from "./sqlite/probe.ts";
import { dayOf, type PullResult, type PushResult, type SyncReport } from "./sync/results.ts";
import { openInWorker } from "./worker/file-client.ts";
import { type FilePort, openInProcess } from "./worker/file-port.ts";

const COUNT_MAX = 1_000;

/** An agent's memories in one SQLite file: they are read and written without a network, and both sides converge with one. */
export class EdgeStore {
  readonly #port: FilePort;
  readonly #setup: EdgeSetup;
  readonly #validator = new MemoryValidator();
  readonly #listeners: Listeners<EdgeEvents>;
  readonly #metrics: ReturnType<typeof edgeMetrics>;
  readonly #sync: EdgeSync | null;
  readonly #now: () => number;
  #isClosed = false;
  /** A rescue by `open`, which no listener could hear. */
  #untold: EdgeEvents["rescued"] | null = null;
  /** What connectors keep in the file: their definitions, and what they know of the items of other services. */
  readonly connectors: EdgeConnectors = edgeConnectors(() => this.#open);

  private constructor(port: FilePort, setup: EdgeSetup, extras: OpenExtras) {
    this.#port = port;
    this.#setup = setup;
    this.#now = extras.now ?? Date.now;
    this.#listeners = new Listeners(extras.log ?? silentLog);
    this.#metrics = edgeMetrics(() => port.status(this.#now(), dayOf(this.#now())));
    const { connect: connectTo, settings } = setup;
    const connect = connectTo && ((device: string) => connectTo(device, port.callHub));
    const reporting = { listeners: this.#listeners, metrics: this.#metrics };
    this.#sync = connect === null ? null : new EdgeSync({ port, settings, connect, extras, ...reporting });
  }

  /**
   * Opens the file, or makes it. Nothing is sent before `start` or `syncNow`.
   * @throws {ConfigurationError} @throws {EdgeFileError} See `EdgeFileProblem`.
   */
  static async open(options: OpenOptions, extras: OpenExtras = {}): Promise<EdgeStore> {
    const setup = readOptions(options, extras);
    const { settings } = setup;
    const driver = await chooseDriver(settings.driver);
    const { path, synchronous, busyTimeoutMs, conflictPolicy, attemptsMax, retryBaseMs, retryMaxMs } = settings;
    const fileOptions = {
      ...{ path, synchronous, busyTimeoutMs, conflictPolicy, attemptsMax, retryBaseMs, retryMaxMs },
      preserveOriginals: settings.preserveOriginals,
      conflictsDirectory: conflictsFolder(settings),
      onDamage: extras.onDamage ?? "rescue",
      check: extras.check ?? true,
    } as const;
    const nowMs = (extras.now ?? Date.now)();
    const { random } = extras;
    const port = extras.inProcess
      ? openInProcess(driver, { ...fileOptions, ...(random !== undefined && { random }) }, nowMs, extras.rests ?? true)
      : await openInWorker(driver, fileOptions, nowMs, setup.address);
    const store = new EdgeStore(port, setup, extras);
    if (port.rescue !== null) {
      extras.log?.warn({ ...port.rescue }, "edge.file_rescued");
      store.#untold = port.rescue;
    }
    return store;
  }

  /** Writes a memory. Once it resolves, the memory and its change for the hub are on disk. */
  async put(memoryId: string, memory: Omit<MemoryFields, "namespace">, options: InNamespace = {}): Promise<void> {
    const valid = this.#validator.validate({ ...memory, memoryId, namespace: this.#namespace(options) });
    const key = { namespace: valid.namespace, memoryId: valid.memoryId };
    await this.#open.put(key, valid.document, valid.embedding, this.#now());
    this.#sync?.wake();
  }

  /** Changes some fields; metadata by a JSON merge patch. @throws {NotFoundError} */
  async patch(memoryId: string, patch: EdgePatch, options: InNamespace = {}): Promise<void> {
    const key = this.#key(memoryId, options);
    const isFound = await this.#open.patch(key, patchOf(patch, this.#validator), this.#now());
    if (!isFound)
      throw new NotFoundError(`there is no memory ${JSON.stringify(memoryId)} in namespace ${key.namespace}`);
    this.#sync?.wake();
  }

  /** @returns whether there was such a memory. */
  async delete(memoryId: string, options: InNamespace = {}): Promise<boolean> {
    const isFound = await this.#open.delete(this.#key(memoryId, options), this.#now());
    if (isFound) this.#sync?.wake();
    return isFound;
  }

  /** Null: there is none, or it has ended. */
  async get(memoryId: string, options: InNamespace = {}): Promise<EdgeMemory | null> {
    return await this.#open.get(this.#key(memoryId, options), this.#now());
  }

  /** A page of memories in the order of their ids. */
  async list(options: EdgeListOptions = {}): Promise<EdgePage> {
    const { where = {}, limit = 100, cursor = "" } = options;
    this.#validator.checkCount(limit, "limit", COUNT_MAX);
    return await this.#open.list(this.#namespace(options), parseFilter(where), limit, cursor, this.#now());
  }

  /** Memories nearest to a text, by its words (BM25), or to a vector (cosine, every vector compared). The best first. */
  async search(
    query: string | readonly number[] | Float32Array,
    options: EdgeSearchOptions = {},
  ): Promise<FoundMemory[]> {
    const { where = {}, k = 10 } = options;
    this.#validator.checkCount(k, "k", COUNT_MAX);
    const [namespace, condition] = [this.#namespace(options), parseFilter(where)];
    if (typeof query === "string") return await this.#open.searchText(namespace, query, condition, k, this.#now());
    const vector = this.#validator.checkEmbedding(query, "query");
    return await this.#open.searchVector(namespace, vector, condition, k, this.#now());
  }

  /** Syncs in the background until `stop`: at once after a write, with a waiting request for the hub's changes. */
  start(): void {
    if (!this.#isClosed) this.#sync?.start();
  }

  /** Resolves once nothing is under way. `start` may follow. */
  async stop(): Promise<void> {
    await this.#sync?.stop();
  }

  /**
   * Pushes what waits and pulls to the end, now. Where another process syncs the file, that one does it.
   * @param options.listMax changes of each direction that the report lists, at most; where another process does it, 1_000. @default 1_000
   * @throws {HubError} The hub cannot be reached, or refuses. @throws {ConfigurationError} No hub is set, or the edge is paused.
   */
  async syncNow(options: { readonly signal?: AbortSignal; readonly listMax?: number } = {}): Promise<SyncReport> {
    return await this.#needSync().now(options.signal, options.listMax);
  }

  /** One push of one batch. For simulations: `start` and `syncNow` do this by themselves. */
  async pushOnce(options: { readonly signal?: AbortSignal } = {}): Promise<PushResult> {
    return await this.#needSync().pushOnce(options.signal);
  }

  /** One page. For simulations. @param options `waitMs` for which the hub may hold the request. */
  async pullOnce(options: { readonly waitMs?: number; readonly signal?: AbortSignal } = {}): Promise<PullResult> {
    return await this.#needSync().pullOnce(options.waitMs ?? 0, options.signal);
  }

  /** Stops talking to the hub until `resume`, in all processes, restarts included. A request under way ends as ever. */
  async pause(): Promise<void> {
    await this.#open.setPaused(true);
  }

  async resume(): Promise<void> {
    await this.#open.setPaused(false);
    this.#sync?.wakeAll();
  }

  /** Lets failed changes be sent again. @returns them, with the reasons for which they had failed. */
  async retry(memoryId?: string, options: InNamespace = {}): Promise<QueueItem[]> {
    const retried = await this.#open.retry(memoryId === undefined ? null : this.#key(memoryId, options));
    this.#sync?.wakeAll();
    return retried;
  }

  async status(): Promise<EdgeStatus> {
    const status = await this.#open.status(this.#now(), dayOf(this.#now()));
    const contact = await this.#port.contact();
    const lease = await this.#port.viewLease();
    const isOff = this.#sync === null;
    const mode = isOff ? "disabled" : status.isPaused ? "paused" : (contact?.state ?? "offline");
    return {
      ...status,
      mode,
      reason: mode === "online" ? null : (contact?.message ?? null),
      syncing: lease.pid !== null,
    };
  }

  /** Changes that the hub has not taken, in the order in which they were made. @param options.limit 1 … 1_000. @default 1_000 */
  async queue(options: { readonly errors?: boolean; readonly limit?: number } = {}): Promise<QueueItem[]> {
    const { errors = false, limit = COUNT_MAX } = options;
    this.#validator.checkCount(limit, "limit", COUNT_MAX);
    return await this.#open.queue(errors ? "failed" : "all", limit);
  }

  /** Conflicts with both sides, the newest first. @param options.limit 1 … 1_000. @default 1_000 */
  async conflicts(options: { readonly all?: boolean; readonly limit?: number } = {}): Promise<ConflictView[]> {
    const { all = false, limit = COUNT_MAX } = options;
    this.#validator.checkCount(limit, "limit", COUNT_MAX);
    return await this.#open.conflicts(all ? "all" : "pending", limit);
  }

  /** Decides a pending conflict, or brings a side of a resolved one back. Both the file and the hub get the result. */
  async resolve(conflictId: string, choice: ChoiceOfConflict): Promise<ConflictView> {
    const view = await this.#open.resolve(conflictId, choice, this.#now());
    this.#sync?.wake();
    return view;
  }

  /** Reads everything anew with the next pull. Unsent edits are kept; memories that the hub no longer has go. */
  async resync(): Promise<void> {
    await this.#open.beginResync("asked", null, this.#now());
    this.#sync?.wakeAll();
  }

  /** Examines driver, file, disk, clock, hub and key. */
  async doctor(): Promise<DoctorReport> {
    return await examineEdge(this.#open, this.#sync, this.#setup.settings, this.#now);
  }

  /** The first listener of `rescued` is told of a rescue by `open`. @returns takes the listener away. */
  on<Name extends keyof EdgeEvents>(name: Name, listener: Listener<EdgeEvents[Name]>): () => void {
    const remove = this.#listeners.on(name, listener);
    if (name === "rescued" && this.#untold !== null) {
      this.#listeners.emit("rescued", this.#untold);
      this.#untold = null;
    }
    return remove;
  }

  get metrics(): Metrics {
    return this.#metrics.base;
  }

  /** Stops, and closes the file. Unsent changes stay in it. Twice is once. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#sync?.close();
    this.#listeners.close();
    await this.#port.close();
  }

  /** Leaves the file as a killed process does. For simulations. */
  async abandon(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listeners.close();
    await this.#port.abandon();
  }

  get #open(): FilePort {
    if (this.#isClosed) throw new ClosedError("the edge");
    return this.#port;
  }

  #needSync(): EdgeSync {
    if (this.#isClosed) throw new ClosedError("the edge");
    if (this.#sync !== null) return this.#sync;
    throw new ConfigurationError(
      this.#setup.settings.enabled ? "edge.hub is not set: there is nothing to sync with" : "edge.enabled is false",
    );
  }

  #key(memoryId: string, options: InNamespace): MemoryKey {
    return this.#validator.validateKey(memoryId, this.#namespace(options));
  }

  #namespace({ namespace = DEFAULT_NAMESPACE }: InNamespace): string {
    const { namespaces } = this.#setup.settings;
    if (namespaces.includes(namespace)) return namespace;
    throw new ValidationError(
      "namespace",
      `${JSON.stringify(namespace)} is not kept here: edge.namespaces has ${namespaces.join(", ")}`,
    );
  }
}
