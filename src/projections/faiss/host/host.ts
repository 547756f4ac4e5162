import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import type { Arguments, HostMessage, HostStatistics, Operation, Result, WireBlock, WireChange } from "../messages.ts";
import { SnapshotRejection } from "../snapshot-manifest.ts";
import { dropped, type Faiss } from "./faiss.ts";
import { FlatSpace, type StagedBlock } from "./flat-space.ts";
import { HeldBatches } from "./held-batches.ts";
import { checkArgument, HostError } from "./host-error.ts";
import { checkRows, MemoryIndex } from "./memory-index.ts";
import { scanPage } from "./scan.ts";
import { ScratchSpace } from "./scratch-space.ts";
import { loadSnapshot, writeSnapshot } from "./snapshot.ts";
import { SnapshotFolder } from "./snapshot-folder.ts";

type Handlers = { [O in Operation]: (args: Arguments<O>) => Result<O> | Promise<Result<O>> };

/** A rewrite that failed for want of room is tried again after this long, not after every write. */
const COMPACTION_RETRY_MS = 60_000;

/**
 * What the host process does, without the process. Requests are served one at a time in the order they came, except
 * that those for snapshots let others through while they wait for the disk.
 */
export class Host {
  /** Names this life of the host in scan cursors. */
  readonly #instance = randomBytes(6).toString("hex");
  readonly #loadFaiss: () => Faiss;
  readonly #tell: (message: HostMessage) => void;
  #state: { index: MemoryIndex; held: HeldBatches; scratch: ScratchSpace } | undefined;
  /** The snapshot that is being written, or the last one. */
  #snapshot: Promise<unknown> = Promise.resolve();
  #compaction: NodeJS.Immediate | undefined;
  #compactionRetryAt = 0;
  #compactions = 0;
  #compactionFailure: string | null = null;

  /** @param tell sends to the owner. */
  constructor(loadFaiss: () => Faiss, tell: (message: HostMessage) => void) {
    this.#loadFaiss = loadFaiss;
    this.#tell = tell;
  }

  /** Serves one request. Rejects with what the caller is to be told. */
  async serve<O extends Operation>(operation: O, args: Arguments<O>): Promise<Result<O>> {
    const handler = this.#handlers[operation];
    if (handler === undefined) throw new HostError("INVALID_ARGUMENT", `no operation ${operation}`);
    return handler(args);
  }

  /** Lets go of everything outside the process. */
  close(): void {
    clearImmediate(this.#compaction);
    this.#state?.index.views.clear();
    this.#state?.scratch.removeAll();
  }

  readonly #handlers: Handlers = {
    configure: ({ dimension, metric, scratch: folders, heldBytesMax, heldTtlMs }) => {
      checkArgument(Number.isInteger(dimension) && dimension > 0, `a dimension of ${dimension}`);
      const scratch = new ScratchSpace(folders);
      const space = new FlatSpace(this.#loadFaiss(), { dimension, metric }, scratch);
      this.#state = { index: new MemoryIndex(space), held: new HeldBatches(heldBytesMax, heldTtlMs), scratch };
      return null;
    },

    prepare: ({ token, changes, blocks }) => {
      const staged = this.#stage(changes, blocks);
      this.#ready.held.hold(token, { changes, blocks: staged });
      return null;
    },

    publish: ({ token, changes, blocks }) => {
      const { index, held } = this.#ready;
      checkChanges(changes);
      let staged: ReadonlyMap<string, StagedBlock> | null;
      if (blocks !== null) staged = this.#stage(changes, blocks);
      else staged = token === null ? null : held.take(token, changes);
      if (token !== null) held.discard(token);
      if (staged === null) {
        if (!index.allVectorsStale(changes)) return null;
        return this.#publishWithoutVectors(changes);
      }
      const answers = index.publish(changes, staged);
      this.#considerCompaction(changes);
      return answers;
    },

    discard: ({ token }) => {
      this.#ready.held.discard(token);
      return null;
    },

    read: ({ keys, vectors }) => {
      const { index } = this.#ready;
      const entries = keys.map(({ namespace, memoryId }) => index.entry(namespace, memoryId));
      const live = vectors ? keys.filter((_, position) => entries[position]?.state === "live") : [];
      return { entries, vectors: vectors ? index.readVectors(live) : null };
    },

    scan: ({ cursor, limit, buckets }) => scanPage(this.#ready.index, this.#instance, cursor, limit, buckets),

    digest: () => {
      const { counts, xorHigh, xorLow, sumHigh, sumLow } = this.#ready.index.digest();
      return { counts, xorHigh, xorLow, sumHigh, sumLow };
    },

    count: () => this.#ready.index.count(),

    search: ({ namespace, queries, k }) => this.#ready.index.search(namespace, queries, k),

    outdated: ({ headers }) => this.#ready.index.outdated(headers),

    replace: ({ replacements, blocks }) => {
      const { index } = this.#ready;
      const changes = replacements.flatMap(({ change }) => (change === null ? [] : [change]));
      const answers = index.replace(replacements, this.#stage(changes, blocks));
      this.#considerCompaction(replacements);
      return answers;
    },

    compact: () => {
      const { index } = this.#ready;
      let slotsFreed = 0;
      for (const namespace of index.namespaces) {
        if (!namespace.hasDead) continue;
        slotsFreed += namespace.compact(index.space, index.views);
        this.#compactions++;
      }
      return { slotsFreed };
    },

    listSnapshots: async ({ directory }) => {
      const folder = new SnapshotFolder(directory);
      await asNoRoom("remove what an interrupted snapshot left behind", folder.removeTemporary());
      return folder.sequences();
    },

    loadSnapshot: async ({ directory, sequence, expected }) => {
      const state = this.#ready;
      const folder = new SnapshotFolder(directory);
      try {
        const { index, manifest } = await loadSnapshot(folder.pathOf(sequence), expected, state.index.space);
        this.#state = { ...state, index };
        const { cursor, createdAt } = manifest;
        return { outcome: "loaded", cursor, createdAt, live: index.count() };
      } catch (error) {
        if (!(error instanceof SnapshotRejection)) throw error;
        if (error.kind === "mismatch") return { outcome: "mismatch", reason: error.message };
        await this.#setAside(folder, sequence);
        return { outcome: "set_aside", reason: error.message };
      }
    },

    setAsideSnapshot: async ({ directory, sequence }) => {
      await this.#setAside(new SnapshotFolder(directory), sequence);
      return null;
    },

    writeSnapshot: async ({ directory, head, cursor, createdAt, keep }) => {
      const folder = new SnapshotFolder(directory);
      const write = async (): Promise<Result<"writeSnapshot">> => {
        const writing = writeSnapshot(folder, this.#ready.index, { ...head, cursor, createdAt });
        const written = await asNoRoom(`write a snapshot to ${directory}`, writing);
        await asNoRoom("remove older snapshots", folder.prune(keep));
        return written;
      };
      // One after the other, whatever became of the one before: its caller may have given up on it.
      const snapshot = this.#snapshot.then(write, write);
      this.#snapshot = snapshot;
      return snapshot;
    },

    statistics: (): HostStatistics => {
      const { index, held } = this.#ready;
      return {
        namespaces: index.statistics(),
        heldBatches: held.count,
        heldBytes: held.bytes,
        compactions: this.#compactions,
        compactionFailure: this.#compactionFailure,
        rssBytes: process.memoryUsage.rss(),
      };
    },

    ping: () => null,
  };

  get #ready(): { index: MemoryIndex; held: HeldBatches; scratch: ScratchSpace } {
    if (this.#state === undefined) throw new HostError("INTERNAL", "the host was not configured");
    return this.#state;
  }

  /** Stages all blocks or none. Their files are gone afterwards, whatever happens. */
  #stage(changes: readonly WireChange[], blocks: readonly WireBlock[]): Map<string, StagedBlock> {
    const staged = new Map<string, StagedBlock>();
    try {
      checkChanges(changes);
      for (const block of blocks) staged.set(block.namespace, this.#ready.index.space.stage(block));
      checkRows(changes, staged);
      return staged;
    } catch (error) {
      for (const { vectors } of blocks) if (typeof vectors === "string") rmSync(vectors, { force: true });
      for (const { bytes } of staged.values()) dropped(bytes);
      throw error;
    }
  }

  /** All changes with a vector are stale: they need no rows, and answering them skips none. */
  #publishWithoutVectors(changes: readonly WireChange[]): ("applied" | "stale")[] {
    const { index } = this.#ready;
    return changes.map((change) => (change.checksum === null ? index.publish([change], new Map())[0]! : "stale"));
  }

  async #setAside(folder: SnapshotFolder, sequence: number): Promise<void> {
    try {
      await folder.setAside(sequence);
    } catch (error) {
      // A directory that cannot be written: the snapshot is passed over all the same, and again at the next start.
      const fields = { sequence, reason: (error as Error).message };
      this.#tell({ event: "an unusable FAISS snapshot could not be renamed", level: "warn", fields });
    }
  }

  /** Rewrites a touched namespace, when it pays, once the answer is out and before the next request. */
  #considerCompaction(touched: readonly { namespace: string }[]): void {
    if (this.#compaction !== undefined || performance.now() < this.#compactionRetryAt) return;
    const { index } = this.#ready;
    for (const name of new Set(touched.map(({ namespace }) => namespace))) {
      const namespace = index.find(name);
      if (namespace?.wantsCompaction !== true) continue;
      this.#compaction = setImmediate(() => {
        this.#compaction = undefined;
        this.#compact(name);
      });
      return;
    }
  }

  #compact(name: string): void {
    const { index } = this.#ready;
    const namespace = index.find(name);
    // The index may be another one by now, from a snapshot.
    if (namespace?.wantsCompaction !== true) return;
    const started = performance.now();
    try {
      const slotsFreed = namespace.compact(index.space, index.views);
      this.#compactions++;
      this.#compactionFailure = null;
      const fields = { namespace: name, slotsFreed, durationMs: Math.round(performance.now() - started) };
      this.#tell({ event: "FAISS namespace compacted", level: "info", fields });
    } catch (error) {
      this.#compactionFailure = (error as Error).message;
      this.#compactionRetryAt = performance.now() + COMPACTION_RETRY_MS;
      const fields = { namespace: name, reason: this.#compactionFailure };
      this.#tell({ event: "FAISS compaction failed; will retry", level: "warn", fields });
    }
  }
}

/** What disk and permissions object to is an operator's matter; its own errors pass. */
async function asNoRoom<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof HostError || (error as NodeJS.ErrnoException).code === undefined) throw error;
    throw new HostError("NO_ROOM", `cannot ${what}: ${(error as Error).message}`, { cause: error });
  }
}

function checkChanges(changes: readonly WireChange[]): void {
  for (const { version, checksum, memoryId } of changes) {
    checkArgument(Number.isSafeInteger(version) && version > 0, `version ${version} of ${JSON.stringify(memoryId)}`);
    checkArgument(checksum === null || /^[0-9a-f]{64}$/.test(checksum), `checksum of ${JSON.stringify(memoryId)}`);
  }
}
