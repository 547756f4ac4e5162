import { BucketDigests } from "../../../domain/buckets.ts";
import type { ChangeSource } from "../../../domain/change-source.ts";
import {
  ClosedError,
  EpochChangedError,
  InternalError,
  StoreRefusedError,
  StoreUnavailableError,
  ValidationError,
} from "../../../domain/errors.ts";
import { foreignReason } from "../../../domain/foreign.ts";
import type { MemoryKey } from "../../../domain/keys.ts";
import type { MemoryChange, PutChange } from "../../../domain/memory.ts";
import { type Log, silentLog } from "../../../runtime/log.ts";
import type {
  LiveEntry,
  PreparedBatch,
  Projection,
  ProjectionHealth,
  Replacement,
  ScanOptions,
  ScanPage,
  StoredEntry,
} from "../../projection.ts";
import type { ProjectionTraits } from "../../traits.ts";
import type { CatchUpProgress, FaissOptions } from "../options.ts";
import type { HostStatistics, WireKeyedEntry } from "../protocol/messages.ts";
import { exactScore, projectChecked } from "../protocol/metric.ts";
import { packChanges } from "../protocol/packed-changes.ts";
import { removeAbandonedScratch } from "../protocol/scratch.ts";
import type { SearchHit } from "../protocol/search-hit.ts";
import { withBlocks } from "../protocol/vector-blocks.ts";
import { readEntries, storedEntry, vectorFlaw, wireReplacement } from "../protocol/wire-entries.ts";
import { type ResolvedFaissOptions, resolveOptions } from "../settings.ts";
import { DirectoryLock } from "../snapshots/directory-lock.ts";
import { closeToOthers } from "../snapshots/private-files.ts";
import { SnapshotSchedule } from "../snapshots/snapshot-schedule.ts";
import type { FaissStatistics } from "./faiss-statistics.ts";
import { HostClient } from "./host-client.ts";
import { HostConnection } from "./host-connection.ts";
import { type HostFollower, LedgerFollower } from "./ledger-follower.ts";

/** Results of one search at most. */
const K_MAX = 100_000;
const SCAN_PAGE = 1_000;
const CLOSE_SNAPSHOT_MS = 60_000;

export interface FaissDependencies {
  /** Where the index comes up to date from. */
  readonly source: ChangeSource;
  /** What the first question to `source` waits for, while the host starts. Its rejection is that of `open`. @default nothing */
  readonly sourceReady?: Promise<unknown>;
  readonly log?: Log;
  /** 0 … 1, for the jitter of retries. */
  readonly random?: () => number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * The memories' vectors in FAISS, in a host process of their own that is restarted when it fails. Nothing in it is
 * unique: it comes from snapshots in `directory` and from the ledger. While a new process is filled, calls wait until
 * their own signal fires.
 */
export class FaissProjection implements Projection {
  readonly id = "faiss";
  readonly traits: ProjectionTraits;
  readonly #options: ResolvedFaissOptions;
  readonly #lock: DirectoryLock;
  readonly #client: HostClient;
  readonly #follower: LedgerFollower;
  readonly #followers = new WeakMap<HostConnection, HostFollower>();
  readonly #log: Log;
  readonly #now: () => number;
  readonly #schedule: SnapshotSchedule;
  #closing: Promise<void> | null = null;

  private constructor(options: ResolvedFaissOptions, lock: DirectoryLock, dependencies: FaissDependencies) {
    const { source, sourceReady, log = silentLog, random = Math.random, now = Date.now } = dependencies;
    const { dimension, metric, model } = options;
    this.traits = { scope: "node", holds: new Set(["vectors"]), vectorShape: { dimension, metric, model } };
    this.#options = options;
    this.#lock = lock;
    this.#log = log;
    this.#now = now;
    this.#follower = new LedgerFollower(options, { source, sourceReady, log, random, now });
    const { hostPingIntervalMs, hostStallMs, hostBackoffMaxMs, closeTimeoutMs } = options;
    this.#client = new HostClient({
      connect: () => HostConnection.start(options.hostThreads, options.pendingCallsMax, log),
      recover: async (connection, first, signal) => {
        this.#followers.set(connection, await this.#follower.recover(connection, first, signal));
      },
      pingIntervalMs: hostPingIntervalMs,
      stallMs: hostStallMs,
      backoffMaxMs: hostBackoffMaxMs,
      closeTimeoutMs,
      log,
      random,
    });
    this.#schedule = new SnapshotSchedule({
      intervalMs: options.snapshotIntervalMs,
      changesMax: options.snapshotChangesMax,
      write: (signal) => this.snapshot(signal),
      log,
    });
  }

  /**
   * Takes the directory, starts the host and brings it up to date with the ledger.
   * @throws {ConfigurationError} Options out of bounds, a directory in use or of another shape, faiss-node not built.
   * @throws the ledger's error when it is away; nothing is left behind, and opening again is safe.
   */
  static async open(
    options: FaissOptions,
    dependencies: FaissDependencies,
    signal: AbortSignal,
  ): Promise<FaissProjection> {
    const resolved = resolveOptions(options);
    signal.throwIfAborted();
    const lock = await DirectoryLock.acquire(resolved.directory);
    const projection = new FaissProjection(resolved, lock, dependencies);
    try {
      await removeAbandonedScratch();
      await projection.#closeToOthers();
      await projection.#client.start(signal);
      return projection;
    } catch (error) {
      await projection.close();
      throw error;
    }
  }

  /** Process id of the host, for diagnosis and fault tests; null while there is none. */
  get hostPid(): number | null {
    return this.#client.pid;
  }

  /** FAISS's factory string of the namespaces' main indexes. */
  get factory(): string {
    return this.#options.factory;
  }

  /** See `FaissStatistics.lagMs`. */
  get lagMs(): number | null {
    const { connection } = this.#client;
    return connection === null ? null : (this.#followers.get(connection)?.feed.lagMs ?? null);
  }

  async prepare(batch: PreparedBatch, signal: AbortSignal): Promise<void> {
    const connection = await this.#ready(signal);
    this.#refuseForeign(batch.changes);
    const args = { token: batch.token, changes: packChanges(batch.changes) };
    await withBlocks(this.#options, batch.changes, connection.blockFiles, (blocks) =>
      connection.request("prepare", { ...args, blocks }, signal),
    );
  }

  async publish(
    changes: readonly MemoryChange[],
    signal: AbortSignal,
    token?: string,
  ): Promise<("applied" | "stale")[]> {
    const connection = await this.#ready(signal);
    if (token === undefined) this.#refuseForeign(changes);
    const args = { token: token ?? null, changes: packChanges(changes) };
    const hasVectors = args.changes.checksums.byteLength > 0;
    let answers: Uint8Array | null = null;
    if (token !== undefined && hasVectors) {
      answers = await connection.request("publish", { ...args, blocks: null }, signal);
    }
    answers ??= await withBlocks(this.#options, changes, connection.blockFiles, (blocks) =>
      connection.request("publish", { ...args, blocks }, signal),
    );
    if (answers === null) throw new InternalError("the FAISS host asked for vectors that it was given");
    this.#follower.recent.note(args.changes);
    this.#schedule.note(changes.length);
    return Array.from(answers, (applied) => (applied === 1 ? "applied" : "stale"));
  }

  async discard(token: string, signal: AbortSignal): Promise<void> {
    const connection = await this.#ready(signal);
    await connection.request("discard", { token }, signal);
  }

  async read(
    keys: readonly MemoryKey[],
    options: { data: boolean },
    signal: AbortSignal,
  ): Promise<(StoredEntry | null)[]> {
    const connection = await this.#ready(signal);
    return readEntries(connection, this.#options.dimension, keys, options, signal);
  }

  async scan(cursor: string | null, options: ScanOptions, signal: AbortSignal): Promise<ScanPage> {
    const connection = await this.#ready(signal);
    const buckets = options.buckets?.values() ?? null;
    const page = await connection.request("scan", { cursor, limit: options.limit ?? SCAN_PAGE, buckets }, signal);
    return {
      entries: page.entries.map((entry: WireKeyedEntry) => storedEntry(entry, entry, null)),
      cursor: page.cursor,
    };
  }

  async digest(signal: AbortSignal): Promise<BucketDigests> {
    const connection = await this.#ready(signal);
    const found = await connection.request("digest", null, signal);
    const digests = new BucketDigests();
    for (const part of ["counts", "xorHigh", "xorLow", "sumHigh", "sumLow"] as const) digests[part].set(found[part]);
    return digests;
  }

  async count(signal: AbortSignal): Promise<number> {
    const connection = await this.#ready(signal);
    return connection.request("count", null, signal);
  }

  flaw(entry: LiveEntry, expected: PutChange): string | null {
    return vectorFlaw(this.#options.metric, entry.data?.embedding ?? null, expected.embedding);
  }

  async replace(replacements: readonly Replacement[], signal: AbortSignal): Promise<("applied" | "moved")[]> {
    const connection = await this.#ready(signal);
    // Nothing in this index can be malformed, so what was found to be is not there.
    const possible = replacements.filter(({ found }) => found?.state !== "malformed");
    const wire = possible.map(wireReplacement);
    const changes = possible.flatMap(({ change }) => (change === null ? [] : [change]));
    const answers = await withBlocks(this.#options, changes, connection.blockFiles, (blocks) =>
      connection.request("replace", { replacements: wire, blocks }, signal),
    );
    this.#follower.recent.note(packChanges(changes));
    this.#schedule.note(replacements.length);
    let next = 0;
    return replacements.map(({ found }) => (found?.state === "malformed" ? "moved" : (answers[next++] ?? "moved")));
  }

  async health(signal: AbortSignal): Promise<ProjectionHealth> {
    const { state, lastFailure } = this.#client;
    if (state !== "ready") {
      return { state: "down", reason: `the host is ${state}${lastFailure === null ? "" : ` (${lastFailure})`}` };
    }
    try {
      const connection = await this.#ready(signal);
      // An index that could not be rewritten serves all the same: `statistics` and the log tell of it.
      await connection.request("ping", null, signal);
      return { state: "healthy" };
    } catch (error) {
      return { state: "down", reason: (error as Error).message };
    }
  }

  /**
   * The `k` memories nearest to `vector`, best first, ties in the order of their ids; fewer only where there are not
   * as many. The score is the cosine similarity in [-1, 1], the dot product, or minus the Euclidean distance, by metric.
   * @param k 1 … 100_000.
   * @throws {ValidationError} The vector does not fit the index, or k is out of bounds.
   */
  async search(namespace: string, vector: Float32Array, k: number, signal: AbortSignal): Promise<SearchHit[]> {
    checkCount(k);
    const projected = projectChecked(this.#options, vector);
    const connection = await this.#ready(signal);
    return connection.searches.search(namespace, projected, k, signal);
  }

  /** Several searches, in one call as far as that is good. One list of hits per vector, in order. */
  async searchMany(
    namespace: string,
    vectors: readonly Float32Array[],
    k: number,
    signal: AbortSignal,
  ): Promise<SearchHit[][]> {
    checkCount(k);
    const projected = vectors.map((vector) => projectChecked(this.#options, vector));
    const connection = await this.#ready(signal);
    return Promise.all(projected.map((vector) => connection.searches.search(namespace, vector, k, signal)));
  }

  /** The score that a vector with `embedding` has for a query, as `search` would say it. @throws {ValidationError} */
  score(query: Float32Array, embedding: Float32Array): number {
    const { metric } = this.#options;
    return exactScore(metric, projectChecked(this.#options, query), projectChecked(this.#options, embedding), 0);
  }

  /** Reads the ledger's feed from where the index stands and takes over what it lacks. Safe beside publishes. */
  async catchUp(signal: AbortSignal): Promise<CatchUpProgress> {
    const connection = await this.#ready(signal);
    try {
      const progress = await this.#followerOf(connection).feed.catchUp(signal);
      this.#schedule.note(progress.applied);
      return progress;
    } catch (error) {
      if (!(error instanceof EpochChangedError)) throw error;
      // The next process finds no snapshot of the new epoch and is filled from the ledger's start.
      this.#client.restart(error.message);
      const { expectedEpoch, foundEpoch } = error;
      const message = `the ledger's epoch changed from ${expectedEpoch} to ${foundEpoch}: the index is being rebuilt`;
      throw new StoreUnavailableError(this.id, message, { cause: error });
    }
  }

  /**
   * Saves the index, caught up where the ledger answers, so that the next start is a short one. Happens by itself as
   * `snapshotIntervalMs` and `snapshotChangesMax` say.
   */
  async snapshot(signal: AbortSignal): Promise<{ sequence: number; bytes: number }> {
    try {
      await this.catchUp(signal);
    } catch (error) {
      if (signal.aborted || (error as Error).cause instanceof EpochChangedError || error instanceof ClosedError)
        throw error;
      // The old cursor is true as well: the next start reads some more of the feed.
      this.#log.warn({ error: (error as Error).message }, "index.snapshot_lagged");
    }
    const connection = await this.#ready(signal);
    const place = this.#followerOf(connection).place.current;
    const failed = this.#schedule.begin();
    let written: { sequence: number; bytes: number };
    try {
      written = await this.#follower.snapshot(connection, place, this.#now(), signal);
    } catch (error) {
      failed();
      throw error;
    }
    this.#log.info(written, "index.snapshot_written");
    return written;
  }

  /** Rewrites every namespace without its dead vectors, now. Happens by itself when half of one is dead. */
  async compact(signal: AbortSignal): Promise<{ slotsFreed: number }> {
    const connection = await this.#ready(signal);
    return connection.request("compact", null, signal);
  }

  /** Never rejects. */
  async statistics(signal: AbortSignal): Promise<FaissStatistics> {
    const { restarts, lastFailure } = this.#client;
    const { lagMs } = this;
    let host: HostStatistics | null = null;
    if (this.#client.state === "ready") {
      const asked = this.#ready(signal).then((connection) => connection.request("statistics", null, signal));
      host = await asked.catch(() => null); // It crashed just now, or is too busy: that is what null says.
    }
    return { state: this.#client.state, restarts, lastFailure, lagMs, unsavedChanges: this.#schedule.changes, host };
  }

  /**
   * Ends the host and gives the directory free; calls that still wait are rejected with `ClosedError`. With `snapshot`
   * the index is saved before, if it can be (the log says why not). Leaves no process, timer or file. Safe twice.
   */
  close(options: { snapshot?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async #close({ snapshot = false, signal = AbortSignal.timeout(CLOSE_SNAPSHOT_MS) }): Promise<void> {
    try {
      await this.#schedule.stop();
      if (snapshot && this.#client.state === "ready") {
        await this.snapshot(signal).catch((error: unknown) => {
          this.#log.warn({ error: (error as Error).message }, "index.closed_unsaved"); // The next start replays more.
        });
      }
      await this.#client.close();
    } finally {
      await this.#lock.release();
    }
  }

  async #closeToOthers(): Promise<void> {
    const { directory } = this.#options;
    const { corrected, left } = await closeToOthers(directory);
    if (corrected.length > 0) this.#log.info({ directory, paths: corrected.length }, "index.closed_to_others");
    if (left.length > 0) this.#log.warn({ directory, paths: left.slice(0, 10) }, "index.open_to_others");
  }

  /** A vector of another model would be found where it means nothing. Those of another dimension do not fit a block. */
  #refuseForeign(changes: readonly MemoryChange[]): void {
    const { model } = this.#options;
    for (const change of changes) {
      const reason = change.kind === "put" ? foreignReason({ model }, change) : null;
      if (reason !== null) throw new StoreRefusedError("faiss", `memory ${JSON.stringify(change.memoryId)}: ${reason}`);
    }
  }

  #ready(signal: AbortSignal): Promise<HostConnection> {
    return this.#client.ready(signal);
  }

  #followerOf(connection: HostConnection): HostFollower {
    const follower = this.#followers.get(connection);
    if (follower === undefined) throw new StoreUnavailableError("faiss", "its host was restarted");
    return follower;
  }
}

function checkCount(k: number): void {
  if (Number.isInteger(k) && k >= 1 && k <= K_MAX) return;
  throw new ValidationError("k", `is ${k}, and must be a whole number from 1 to ${K_MAX}`);
}
