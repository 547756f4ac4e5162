import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type ChangeSource, FEED_START, type FeedCursor } from "../../../domain/change-source.ts";
import { ConfigurationError, EpochChangedError, StoreRefusedError } from "../../../domain/errors.ts";
import type { MemoryKey } from "../../../domain/keys.ts";
import type { MemoryChange } from "../../../domain/memory.ts";
import { askLedger, type FeedPlace, Follower, headerFeed, VolatilePlace } from "../../../feed/follower.ts";
import { backoffMs } from "../../../runtime/backoff.ts";
import { untilAborted } from "../../../runtime/deadline.ts";
import type { Log } from "../../../runtime/log.ts";
import type { SnapshotExpectation } from "../protocol/messages.ts";
import { packChanges } from "../protocol/packed-changes.ts";
import { withBlocks } from "../protocol/vector-blocks.ts";
import type { ResolvedFaissOptions } from "../settings.ts";
import { isProven, SnapshotFolder } from "../snapshots/snapshot-folder.ts";
import { FittingChanges } from "./fitting-changes.ts";
import { HistoryWitness } from "./history-witness.ts";
import type { HostConnection } from "./host-connection.ts";
import type { HostFollower, RecordRefused } from "./host-follower.ts";
import { RecentPublishes } from "./recent-publishes.ts";

const FEED_PAGE = 1_000;
/** Memories per fetch: the ledger returns their documents too, up to one mebibyte each. */
const FETCHED_MAX = 250;
const RETRY_MIN_MS = 100;
/** Deadline of one ledger query during recovery; the query is then retried. */
const LEDGER_CALL_MS = 60_000;
/** Crashes of the host while it loads one snapshot, after which the snapshot is set aside. */
const LOAD_CRASHES_MAX = 2;

/** Recovers host processes from snapshots and from the ledger's feed. */
export class LedgerFollower {
  readonly recent: RecentPublishes;
  readonly #options: ResolvedFaissOptions;
  readonly #source: ChangeSource;
  readonly #sourceReady: Promise<unknown> | undefined;
  readonly #log: Log;
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #onRefused: RecordRefused | undefined;
  /** Crashes of the host during a load, by snapshot. */
  readonly #loadCrashes = new Map<number, number>();
  #epoch: string | null = null;
  readonly #fitting: FittingChanges;
  readonly #witness: HistoryWitness;

  constructor(
    options: ResolvedFaissOptions,
    dependencies: {
      source: ChangeSource;
      sourceReady?: Promise<unknown> | undefined;
      log: Log;
      random: () => number;
      now: () => number;
      onRefused?: RecordRefused | undefined;
    },
  ) {
    this.#options = options;
    this.#source = dependencies.source;
    this.#sourceReady = dependencies.sourceReady;
    this.#log = dependencies.log;
    this.#random = dependencies.random;
    this.#now = dependencies.now;
    this.#onRefused = dependencies.onRefused;
    this.recent = new RecentPublishes(dependencies.now);
    this.#fitting = new FittingChanges(options, this.#log);
    this.#witness = new HistoryWitness(options.directory, this.#source, this.#log);
  }

  /**
   * Recovers a fresh process: loads the newest usable snapshot, replays the feed, then republishes recent changes that the
   * feed does not show yet. Unless `first`, it waits for an unavailable ledger.
   */
  async recover(connection: HostConnection, first: boolean, signal: AbortSignal): Promise<HostFollower> {
    const { directory, dimension, metric, heldBytesMax, heldTtlMs, hostThreads: threads } = this.#options;
    const { factory, nprobe, efSearch, mainRowsMin, deltaShareMax, deadShareMax } = this.#options;
    const folder = join(directory, "building");
    const main = { factory, nprobe, efSearch, mainRowsMin, deltaShareMax, deadShareMax, folder, threads };
    const scratch = connection.scratch;
    const proven = this.#proveNewest(signal);
    await connection.request("configure", { dimension, metric, scratch, heldBytesMax, heldTtlMs, main }, signal);
    if (this.#sourceReady !== undefined) await untilAborted(this.#sourceReady, signal);
    const epoch = await this.#persist(first, signal, (attempt) =>
      ask(attempt, async (deadline) => this.#source.epoch(deadline, await this.#witness.seenBefore())),
    );
    if (this.#epoch !== null && this.#epoch !== epoch) this.recent.clear();
    this.#epoch = epoch;
    await connection.request("enterEpoch", { epoch }, signal);
    const cursor = (await this.#loadNewest(connection, this.#expectation(epoch), proven, signal)) ?? FEED_START;
    const follower = this.#followerOf(connection, { epoch, cursor });
    const progress = await this.#persist(first, signal, (attempt) => follower.feed.catchUp(attempt));
    const recent = this.recent.headers();
    for (let start = 0; start < recent.length; start += FEED_PAGE) {
      const page = recent.slice(start, start + FEED_PAGE);
      await this.#persist(first, signal, (attempt) => this.#refresh(connection, page, attempt));
    }
    this.#log.info({ ...progress, recent: recent.length, cursor: follower.place.current.cursor }, "index.caught_up");
    return follower;
  }

  /** Writes a snapshot as of a place, and keeps the newest `keep` on disk. */
  async snapshot(
    connection: HostConnection,
    { epoch, cursor }: FeedPlace,
    { createdAt, keep }: { createdAt: number; keep: number },
    signal: AbortSignal,
  ): Promise<{ sequence: number; bytes: number }> {
    const { directory } = this.#options;
    const head = this.#expectation(epoch);
    const mark = await this.#witness.makeMark(signal);
    const written = await connection.request(
      "writeSnapshot",
      { directory, head, cursor, mark, createdAt, keep },
      signal,
    );
    if (mark !== null) this.#witness.keep(epoch, mark);
    return written;
  }

  #expectation(epoch: string): SnapshotExpectation {
    const { model, dimension, metric } = this.#options;
    return { epoch, model, dimension, metric };
  }

  /**
   * Verifies the checksums of the newest snapshot in this process while the host starts: the start takes a quarter of a
   * second, and so do the checksums of 250 MB. @returns the sequence number; null when there is no snapshot, or when the
   * host must report its damage.
   */
  async #proveNewest(signal: AbortSignal): Promise<number | null> {
    const folder = new SnapshotFolder(this.#options.directory);
    const [sequence] = await folder.sequences().catch(() => []); // The host hits the same error and reports it.
    if (sequence === undefined) return null;
    return (await isProven(folder.pathOf(sequence), signal)) ? sequence : null;
  }

  /** @returns the cursor of the snapshot that was loaded; null when there is none to use. */
  async #loadNewest(
    connection: HostConnection,
    expected: SnapshotExpectation,
    newest: Promise<number | null>,
    signal: AbortSignal,
  ): Promise<FeedCursor | null> {
    const { directory } = this.#options;
    for (const sequence of await connection.request("listSnapshots", { directory }, signal)) {
      const crashes = this.#loadCrashes.get(sequence) ?? 0;
      if (crashes >= LOAD_CRASHES_MAX) {
        const reason = `the host died loading it, ${crashes} times`;
        this.#log.warn({ directory, sequence, reason }, "index.snapshot_set_aside");
        await connection.request("setAsideSnapshot", { directory, sequence }, signal);
        continue;
      }
      this.#loadCrashes.set(sequence, crashes + 1);
      const args = { directory, sequence, expected, proven: sequence === (await newest) };
      const loaded = await connection.request("loadSnapshot", args, signal);
      this.#loadCrashes.delete(sequence);
      switch (loaded.outcome) {
        case "loaded":
          this.#log.info(
            { directory, sequence, live: loaded.live, createdAt: loaded.createdAt },
            "index.snapshot_loaded",
          );
          return loaded.cursor;
        case "set_aside":
          this.#log.warn({ directory, sequence, reason: loaded.reason }, "index.snapshot_set_aside");
          break;
        case "mismatch":
          throw new ConfigurationError(
            `the FAISS snapshot in ${directory} does not fit: ${loaded.reason}. Give another faiss.directory, or ` +
              "delete this one to have the index rebuilt from the ledger",
          );
      }
    }
    this.#log.info({ directory }, "index.rebuild_started");
    return null;
  }

  #followerOf(connection: HostConnection, start: FeedPlace): HostFollower {
    const place = new VolatilePlace(start);
    const feed = new Follower({
      feed: {
        ...headerFeed(this.#source, FEED_PAGE),
        epoch: (signal) => this.#source.epoch(signal, this.#witness.seenAt(place.current)),
      },
      place,
      apply: (page, signal) => this.#refresh(connection, page.headers, signal),
      onProgress: (progress) => {
        this.#options.onProgress(progress);
        this.#log.info({ ...progress }, "index.progressed");
      },
      callTimeoutMs: LEDGER_CALL_MS,
      now: this.#now,
    });
    return { feed, place };
  }

  /** Publishes the current version of each memory that the host lacks or holds at an older version. */
  async #refresh(
    connection: HostConnection,
    headers: readonly (MemoryKey & { readonly version: number })[],
    signal: AbortSignal,
  ): Promise<number> {
    const asked = headers.map(({ namespace, memoryId, version }) => ({ namespace, memoryId, version }));
    const outdated = await connection.request("outdated", { headers: asked }, signal);
    const keys = outdated.map((position) => asked[position] as MemoryKey);
    let applied = 0;
    for (let start = 0; start < keys.length; start += FETCHED_MAX) {
      const found = await ask(signal, (deadline) =>
        this.#source.currentChanges(keys.slice(start, start + FETCHED_MAX), deadline),
      );
      const changes = found.filter((change) => change !== null);
      applied += await this.#publish(connection, await this.#fitting.of(connection, changes, signal), signal);
    }
    return applied;
  }

  /**
   * Publishes changes to the host. One permanently refused change must not block the others, or the opening of the index:
   * bisecting the batch finds it, and it becomes a dead letter.
   */
  async #publish(connection: HostConnection, changes: readonly MemoryChange[], signal: AbortSignal): Promise<number> {
    if (changes.length === 0) return 0;
    try {
      const args = { token: null, changes: packChanges(changes), epoch: null };
      await withBlocks(this.#options, changes, connection.blockFiles, (blocks) =>
        connection.request("publish", { ...args, blocks }, signal),
      );
      return changes.length;
    } catch (error) {
      if (!(error instanceof StoreRefusedError) || error.retryable) throw error;
      const [first] = changes;
      if (changes.length > 1) {
        const middle = changes.length >> 1;
        const before = await this.#publish(connection, changes.slice(0, middle), signal);
        return before + (await this.#publish(connection, changes.slice(middle), signal));
      }
      const { namespace, memoryId, version } = first as MemoryChange;
      this.#log.error({ namespace, memoryId, version, error: error.message }, "index.change_refused");
      await this.#onRefused?.("faiss", [{ namespace, memoryId }], error.message, signal);
      return 0;
    }
  }

  async #persist<T>(once: boolean, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const backoff = { baseMs: RETRY_MIN_MS, maxMs: this.#options.hostBackoffMaxMs, random: this.#random };
    for (let failures = 1; ; failures++) {
      try {
        return await work(signal);
      } catch (error) {
        if (once || signal.aborted || isFinal(error)) throw error;
        const waitMs = backoffMs(failures, backoff);
        this.#log.warn({ error: (error as Error).message, waitMs }, "index.recovery_delayed");
        await delay(waitMs, undefined, { signal });
      }
    }
  }
}

/** Errors that a retry repeats: settings that do not fit, and a process that has already loaded another epoch's snapshot. */
function isFinal(error: unknown): boolean {
  return error instanceof ConfigurationError || error instanceof EpochChangedError;
}

function ask<T>(signal: AbortSignal, question: (deadline: AbortSignal) => Promise<T>): Promise<T> {
  return askLedger(LEDGER_CALL_MS, signal, question);
}
