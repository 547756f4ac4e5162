import type { ChangeSource } from "../../../domain/change-source.ts";
import { ClosedError, EpochChangedError, StoreUnavailableError } from "../../../domain/errors.ts";
import { type Log, silentLog } from "../../../runtime/log.ts";
import type { CatchUpProgress } from "../options.ts";
import type { HostStatistics } from "../protocol/messages.ts";
import type { PackedChanges } from "../protocol/packed-changes.ts";
import { removeAbandonedScratch } from "../protocol/scratch.ts";
import type { ResolvedFaissOptions } from "../settings.ts";
import { DirectoryLock } from "../snapshots/directory-lock.ts";
import { closeToOthers } from "../snapshots/private-files.ts";
import { SnapshotFolder } from "../snapshots/snapshot-folder.ts";
import { SnapshotSchedule } from "../snapshots/snapshot-schedule.ts";
import type { FaissStatistics } from "./faiss-statistics.ts";
import { HostClient } from "./host-client.ts";
import { HostConnection } from "./host-connection.ts";
import type { HostFollower, RecordRefused } from "./host-follower.ts";
import { LedgerFollower } from "./ledger-follower.ts";

const CLOSE_SNAPSHOT_MS = 60_000;
/** Milliseconds that catching up in the background may take. */
const CATCH_UP_MS = 60_000;

export interface FaissDependencies {
  /** The change feed that the index follows. */
  readonly source: ChangeSource;
  /** The first query to `source` waits for this promise while the host starts. A rejection rejects `open`. @default none */
  readonly sourceReady?: Promise<unknown>;
  /** Records dead letters: memories that the index refuses permanently. @default they are logged only */
  readonly onRefused?: RecordRefused;
  readonly log?: Log;
  /** 0 … 1, for the jitter of retries. */
  readonly random?: () => number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * The lifecycle of one index folder's host process, from the folder lock to the last snapshot: start, restart, recovery
 * from snapshots and from the ledger's feed, and snapshots by `snapshotIntervalMs` and `snapshotChangesMax`.
 */
export class IndexProcess {
  readonly #options: ResolvedFaissOptions;
  readonly #lock: DirectoryLock;
  readonly #client: HostClient;
  readonly #follower: LedgerFollower;
  readonly #followers = new WeakMap<HostConnection, HostFollower>();
  readonly #log: Log;
  readonly #now: () => number;
  readonly #schedule: SnapshotSchedule;
  #closing: Promise<void> | null = null;
  #catchingUp: Promise<void> | null = null;

  private constructor(options: ResolvedFaissOptions, lock: DirectoryLock, dependencies: FaissDependencies) {
    const { source, sourceReady, onRefused, log = silentLog, random = Math.random, now = Date.now } = dependencies;
    this.#options = options;
    this.#lock = lock;
    this.#log = log;
    this.#now = now;
    this.#follower = new LedgerFollower(options, { source, sourceReady, onRefused, log, random, now });
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
   * Takes the folder, starts the host and brings it up to date with the ledger.
   * @throws {ConfigurationError} A folder in use or of another shape, or faiss-node is not built.
   * @throws the ledger's error when it is unavailable; nothing is left behind, and opening again is safe.
   */
  static async open(
    options: ResolvedFaissOptions,
    dependencies: FaissDependencies,
    signal: AbortSignal,
  ): Promise<IndexProcess> {
    signal.throwIfAborted();
    const lock = await DirectoryLock.acquire(options.directory);
    const index = new IndexProcess(options, lock, dependencies);
    try {
      await removeAbandonedScratch();
      await index.#closeToOthers();
      await index.#client.start(signal);
      return index;
    } catch (error) {
      await index.close();
      throw error;
    }
  }

  /** Process id of the host, for diagnosis and fault tests; null while there is none. */
  get pid(): number | null {
    return this.#client.pid;
  }

  get state(): HostClient["state"] {
    return this.#client.state;
  }

  /** Why the host ended last; null when it never did. */
  get lastFailure(): HostClient["lastFailure"] {
    return this.#client.lastFailure;
  }

  /** See `FaissStatistics.lagMs`. */
  get lagMs(): number | null {
    const { connection } = this.#client;
    return connection === null ? null : (this.#followers.get(connection)?.feed.lagMs ?? null);
  }

  /** The connection to a recovered host. A call waits for it until its own signal fires. */
  ready(signal: AbortSignal): Promise<HostConnection> {
    return this.#client.ready(signal);
  }

  /** Records that the host took `changes`: a successor process must get them, and a snapshot becomes due. */
  noteTaken(changes: PackedChanges, count: number): void {
    this.#follower.recent.note(changes);
    this.#schedule.note(count);
  }

  /** Reads the ledger's feed from the index's position and applies missing changes. Safe to run concurrently with publishes. */
  async catchUp(signal: AbortSignal): Promise<CatchUpProgress> {
    const connection = await this.ready(signal);
    try {
      const progress = await this.#followerOf(connection).feed.catchUp(signal);
      this.#schedule.note(progress.applied);
      return progress;
    } catch (error) {
      if (!(error instanceof EpochChangedError)) throw error;
      // The next process finds no snapshot of the new epoch, so it replays the ledger from the start.
      this.#client.restart(error.message);
      const { expectedEpoch, foundEpoch } = error;
      const message = `the ledger's epoch changed from ${expectedEpoch} to ${foundEpoch}: the index is being rebuilt`;
      throw new StoreUnavailableError("faiss", message, { cause: error });
    }
  }

  /** Catches up in the background, one pass at a time. A failure is logged: the follower comes at its interval too. */
  catchUpSoon(): void {
    this.#catchingUp ??= this.catchUp(AbortSignal.timeout(CATCH_UP_MS))
      .then(
        () => undefined,
        (error: Error) => this.#log.debug({ error: error.message }, "index.catch_up_failed"),
      )
      .finally(() => {
        this.#catchingUp = null;
      });
  }

  /**
   * Writes a snapshot, after catching up with the ledger where the ledger answers, so that the next start replays little.
   * Also runs automatically, by `snapshotIntervalMs` and `snapshotChangesMax`.
   */
  async snapshot(signal: AbortSignal): Promise<{ sequence: number; bytes: number }> {
    return await this.#snapshot(this.#options.snapshotsKept, signal);
  }

  /** Writes a snapshot as `snapshot` does, and leaves no other one on disk, usable or set aside. */
  async replaceSnapshots(signal: AbortSignal): Promise<void> {
    await this.#snapshot(1, signal);
    await new SnapshotFolder(this.#options.directory).removeSetAside();
  }

  async #snapshot(keep: number, signal: AbortSignal): Promise<{ sequence: number; bytes: number }> {
    try {
      await this.catchUp(signal);
    } catch (error) {
      if (signal.aborted || (error as Error).cause instanceof EpochChangedError || error instanceof ClosedError)
        throw error;
      // The older cursor is valid too: the next start only replays more of the feed.
      this.#log.warn({ error: (error as Error).message }, "index.snapshot_lagged");
    }
    const connection = await this.ready(signal);
    const place = this.#followerOf(connection).place.current;
    const failed = this.#schedule.begin();
    let written: { sequence: number; bytes: number };
    try {
      written = await this.#follower.snapshot(connection, place, { createdAt: this.#now(), keep }, signal);
    } catch (error) {
      failed();
      throw error;
    }
    this.#log.info(written, "index.snapshot_written");
    return written;
  }

  /** Never rejects. */
  async statistics(signal: AbortSignal): Promise<FaissStatistics> {
    const { restarts, lastFailure } = this.#client;
    const { lagMs } = this;
    let host: HostStatistics | null = null;
    if (this.#client.state === "ready") {
      const asked = this.ready(signal).then((connection) => connection.request("statistics", null, signal));
      host = await asked.catch(() => null); // Null: the host crashed just now, or is too busy to answer.
    }
    return { state: this.#client.state, restarts, lastFailure, lagMs, unsavedChanges: this.#schedule.changes, host };
  }

  /**
   * Ends the host and releases the directory; waiting calls reject with `ClosedError`. With `snapshot` the index is saved
   * first; if that fails, the log gives the reason. Leaves no process, timer or file. Idempotent.
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
      await this.#catchingUp; // Ends with the client.
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

  #followerOf(connection: HostConnection): HostFollower {
    const follower = this.#followers.get(connection);
    if (follower === undefined) throw new StoreUnavailableError("faiss", "its host was restarted");
    return follower;
  }
}
