import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type {
  Arguments,
  HostMessage,
  HostStatistics,
  MainConfiguration,
  Operation,
  Result,
  WireBlock,
} from "../protocol/messages.ts";
import type { VectorShape } from "../protocol/metric.ts";
import { type PackedChanges, packedFlaw, packWireChanges } from "../protocol/packed-changes.ts";
import type { WireChange } from "../protocol/wire-change.ts";
import { dropped, type Faiss } from "./faiss.ts";
import { FlatSpace, type StagedBlock } from "./flat-space.ts";
import { HeldBatches } from "./held-batches.ts";
import { checkArgument, HostError } from "./host-error.ts";
import { HostSnapshots } from "./host-snapshots.ts";
import { checkRows, MemoryIndex } from "./memory-index.ts";
import { Rebuilder } from "./rebuilder.ts";
import { scanPage } from "./scan.ts";
import { ScratchSpace } from "./scratch-space.ts";

type Handlers = { [O in Operation]: (args: Arguments<O>) => Result<O> | Promise<Result<O>> };

/** Idle time without a write, after which deferred work runs. */
const IDLE_MS = 20;
/** Slots per turn of idle work, two hashes each: a call may have to wait about two milliseconds. */
const DIGESTS_PER_TURN = 1_000;

interface HostState {
  readonly index: MemoryIndex;
  readonly held: HeldBatches;
  readonly scratch: ScratchSpace;
  readonly rebuilder: Rebuilder;
  readonly main: MainConfiguration;
}

/**
 * The host's request handling, independent of the process. Requests run one at a time in order of arrival; snapshot
 * requests let others run while they wait for the disk.
 */
export class Host {
  /** Identifies this host instance in scan cursors. */
  readonly #instance = randomBytes(6).toString("hex");
  readonly #loadFaiss: () => Faiss;
  readonly #tell: (message: HostMessage) => void;
  #state: HostState | undefined;
  #epoch: string | null = null;
  readonly #snapshots: HostSnapshots;
  /** Computes missing digests while the host is idle. */
  #idleWork: NodeJS.Timeout | undefined;

  /** @param tell sends to the owner. */
  constructor(loadFaiss: () => Faiss, tell: (message: HostMessage) => void) {
    this.#loadFaiss = loadFaiss;
    this.#tell = tell;
    this.#snapshots = new HostSnapshots(tell);
  }

  /** Serves one request: at once, unless it waits for the disk. Throws or rejects with the error for the caller. */
  serve<O extends Operation>(operation: O, args: Arguments<O>): Result<O> | Promise<Result<O>> {
    const handler = this.#handlers[operation];
    if (handler === undefined) throw new HostError("INVALID_ARGUMENT", `no operation ${operation}`);
    if (operation === "publish" || operation === "replace") this.#digestWhenIdle(IDLE_MS);
    return handler(args);
  }

  /** Releases all resources outside the process. */
  close(): void {
    clearTimeout(this.#idleWork);
    this.#state?.rebuilder.close();
    this.#state?.index.views.clear();
    this.#state?.scratch.removeAll();
  }

  readonly #handlers: Handlers = {
    configure: ({ dimension, metric, scratch: folders, heldBytesMax, heldTtlMs, main }) => {
      checkArgument(Number.isInteger(dimension) && dimension > 0, `a dimension of ${dimension}`);
      const scratch = new ScratchSpace(folders);
      const faiss = this.#loadFaiss();
      checkFactory(faiss, main.factory, { dimension, metric });
      const index = new MemoryIndex(new FlatSpace(faiss, { dimension, metric }, scratch));
      const held = new HeldBatches(heldBytesMax, heldTtlMs);
      const rebuilder = new Rebuilder(main, () => this.#ready.index, this.#tell);
      this.#state = { index, held, scratch, rebuilder, main };
      return null;
    },

    enterEpoch: ({ epoch }) => {
      this.#epoch = epoch;
      return null;
    },

    prepare: ({ token, changes, blocks }) => {
      const staged = this.#stage(changes, blocks);
      this.#ready.held.hold(token, { changes, blocks: staged });
      return null;
    },

    publish: ({ token, changes, blocks, epoch }) => {
      const { index, held, rebuilder } = this.#ready;
      if (epoch !== null && this.#epoch !== null && epoch !== this.#epoch) {
        throw new HostError("OTHER_EPOCH", this.#epoch);
      }
      checkPacked(changes);
      let staged: ReadonlyMap<string, StagedBlock> | null;
      if (blocks !== null) staged = this.#stage(changes, blocks);
      else staged = token === null ? null : held.take(token, changes);
      if (token !== null) held.discard(token);
      if (staged === null) {
        if (!index.allVectorsStale(changes)) return null;
        return appliedFlags(index.publishWithoutVectors(changes));
      }
      const answers = index.publish(changes, staged);
      rebuilder.consider(changes.namespaces);
      return appliedFlags(answers);
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

    scan: async ({ cursor, limit, buckets }) => {
      if (buckets !== null) await this.#digestAll();
      return scanPage(this.#ready.index, this.#instance, cursor, limit, buckets);
    },

    digest: async () => {
      await this.#digestAll();
      const { counts, xorHigh, xorLow, sumHigh, sumLow } = this.#ready.index.digest();
      return { counts, xorHigh, xorLow, sumHigh, sumLow };
    },

    count: () => this.#ready.index.count(),

    search: ({ namespace, queries, k }) => this.#ready.index.search(namespace, queries, k),

    outdated: ({ headers }) => this.#ready.index.outdated(headers),

    replace: ({ replacements, blocks }) => {
      const { index, rebuilder } = this.#ready;
      const changes = replacements.flatMap(({ change }) => (change === null ? [] : [change]));
      checkChanges(changes);
      const packed = packWireChanges(changes.length, (at) => changes[at]!);
      const answers = index.replace(replacements, this.#stage(packed, blocks));
      rebuilder.consider(new Set(replacements.map(({ namespace }) => namespace)));
      return answers;
    },

    compact: async () => {
      const { index, rebuilder } = this.#ready;
      let slotsFreed = 0;
      for (const namespace of index.namespaces) slotsFreed += await rebuilder.force(namespace);
      return { slotsFreed };
    },

    listSnapshots: ({ directory }) => this.#snapshots.list(directory),

    loadSnapshot: async (args) => {
      const state = this.#ready;
      const { index, result } = await this.#snapshots.load(args, state.index.space, state.main);
      if (index === null) return result;
      state.index.drop();
      this.#state = { ...state, index };
      state.rebuilder.consider(index.namespaces.map(({ namespace }) => namespace));
      return result;
    },

    setAsideSnapshot: async ({ directory, sequence }) => {
      await this.#snapshots.setAside(directory, sequence);
      return null;
    },

    writeSnapshot: (args) => this.#snapshots.write(args, () => this.#ready.index),

    statistics: (): HostStatistics => {
      const { index, held, rebuilder } = this.#ready;
      return {
        ...index.statistics(),
        heldBatches: held.count,
        heldBytes: held.bytes,
        compactions: rebuilder.done,
        compactionsPending: rebuilder.pending,
        compactionFailure: rebuilder.failure,
        rssBytes: process.memoryUsage.rss(),
      };
    },

    ping: () => null,
  };

  get #ready(): HostState {
    if (this.#state === undefined) throw new HostError("INTERNAL", "the host was not configured");
    return this.#state;
  }

  /** Stages all blocks or none. */
  #stage(changes: PackedChanges, blocks: readonly WireBlock[]): Map<string, StagedBlock> {
    const staged = new Map<string, StagedBlock>();
    try {
      checkPacked(changes);
      for (const block of blocks) staged.set(block.namespace, this.#ready.index.space.stage(block));
      checkRows(changes, staged);
      return staged;
    } catch (error) {
      for (const { bytes } of staged.values()) dropped(bytes);
      throw error;
    }
  }

  #digestWhenIdle(waitMs: number): void {
    clearTimeout(this.#idleWork);
    this.#idleWork = setTimeout(() => {
      if (!this.#ready.index.digestNext(DIGESTS_PER_TURN)) this.#digestWhenIdle(0);
    }, waitMs);
  }

  /** Computes the missing digests; other calls are served meanwhile. */
  async #digestAll(): Promise<void> {
    while (!this.#ready.index.digestNext(DIGESTS_PER_TURN)) await nextTurn();
  }
}

/** @throws {HostError} FAISS does not support the index type. */
function checkFactory(faiss: Faiss, factory: string, { dimension, metric }: VectorShape): void {
  if (factory === "Flat") return;
  try {
    faiss.Index.fromFactory(dimension, factory, metric === "l2" ? 1 : 0);
  } catch (error) {
    const reason = (error as Error).message;
    throw new HostError("BAD_CONFIGURATION", `FAISS makes no index "${factory}" of dimension ${dimension}: ${reason}`);
  }
}

function appliedFlags(answers: readonly ("applied" | "stale")[]): Uint8Array {
  return Uint8Array.from(answers, (answer) => (answer === "applied" ? 1 : 0));
}

function checkPacked(changes: PackedChanges): void {
  const flaw = packedFlaw(changes);
  checkArgument(flaw === null, `changes with ${flaw}`);
}

function checkChanges(changes: readonly WireChange[]): void {
  for (const { version, checksum, memoryId } of changes) {
    checkArgument(Number.isSafeInteger(version) && version > 0, `version ${version} of ${JSON.stringify(memoryId)}`);
    checkArgument(checksum === null || /^[0-9a-f]{64}$/.test(checksum), `checksum of ${JSON.stringify(memoryId)}`);
  }
}
