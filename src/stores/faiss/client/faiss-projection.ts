import { assertWhole } from "../../../domain/assert-whole.ts";
import { BucketDigests } from "../../../domain/buckets.ts";
import { InternalError, StoreEpochError, StoreRefusedError } from "../../../domain/errors.ts";
import { foreignReason } from "../../../domain/foreign.ts";
import type { MemoryKey } from "../../../domain/keys.ts";
import type { MemoryChange, PutChange } from "../../../domain/memory.ts";
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
import type { WireKeyedEntry } from "../protocol/messages.ts";
import { exactScore, projectChecked } from "../protocol/metric.ts";
import { packChanges } from "../protocol/packed-changes.ts";
import type { SearchHit } from "../protocol/search-hit.ts";
import { withBlocks } from "../protocol/vector-blocks.ts";
import { readEntries, storedEntry, vectorFlaw, wireReplacement } from "../protocol/wire-entries.ts";
import { type ResolvedFaissOptions, resolveOptions } from "../settings.ts";
import type { FaissStatistics } from "./faiss-statistics.ts";
import { OtherEpoch } from "./host-connection.ts";
import { type FaissDependencies, IndexProcess } from "./index-process.ts";

export type { FaissDependencies };

/** Results of one search at most. */
const K_MAX = 100_000;
const SCAN_PAGE = 1_000;

/**
 * The memories' vectors in FAISS, in a separate host process that is restarted when it fails. The host holds no unique
 * data: snapshots in `directory` and the ledger restore all of it. While a new process recovers, calls wait until their
 * own signal fires.
 */
export class FaissProjection implements Projection {
  readonly id = "faiss";
  readonly traits: ProjectionTraits;
  readonly publishesUnprepared = true;
  readonly #options: ResolvedFaissOptions;
  readonly #index: IndexProcess;

  private constructor(options: ResolvedFaissOptions, index: IndexProcess) {
    const { dimension, metric, model } = options;
    this.traits = { scope: "node", holds: new Set(["vectors"]), vectorShape: { dimension, metric, model } };
    this.#options = options;
    this.#index = index;
  }

  /**
   * Takes the directory, starts the host and brings it up to date with the ledger.
   * @throws {ConfigurationError} Options out of bounds, a directory in use or of another shape, faiss-node not built.
   * @throws the ledger's error when it is unavailable; nothing is left behind, and opening again is safe.
   */
  static async open(
    options: FaissOptions,
    dependencies: FaissDependencies,
    signal: AbortSignal,
  ): Promise<FaissProjection> {
    const resolved = resolveOptions(options);
    return new FaissProjection(resolved, await IndexProcess.open(resolved, dependencies, signal));
  }

  /** Process id of the host, for diagnosis and fault tests; null while there is none. */
  get hostPid(): number | null {
    return this.#index.pid;
  }

  /** FAISS's factory string of the namespaces' main indexes. */
  get factory(): string {
    return this.#options.factory;
  }

  /** See `FaissStatistics.lagMs`. */
  get lagMs(): number | null {
    return this.#index.lagMs;
  }

  async prepare(batch: PreparedBatch, signal: AbortSignal): Promise<void> {
    const connection = await this.#index.ready(signal);
    if (batch.changes.length === 0) {
      await connection.request("ping", null, signal);
      return;
    }
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
    epoch?: string,
  ): Promise<("applied" | "stale")[]> {
    try {
      return await this.#publish(changes, signal, token, epoch);
    } catch (error) {
      if (!(error instanceof OtherEpoch) || epoch === undefined) throw error;
      // The index may be the one that is behind: then following the feed has it rebuilt.
      this.#index.catchUpSoon();
      throw new StoreEpochError("faiss", epoch, error.epoch, { cause: error });
    }
  }

  async #publish(
    changes: readonly MemoryChange[],
    signal: AbortSignal,
    token?: string,
    epoch?: string,
  ): Promise<("applied" | "stale")[]> {
    const connection = await this.#index.ready(signal);
    if (token === undefined) this.#refuseForeign(changes);
    const args = { token: token ?? null, changes: packChanges(changes), epoch: epoch ?? null };
    const hasVectors = args.changes.checksums.byteLength > 0;
    let answers: Uint8Array | null = null;
    if (token !== undefined && hasVectors) {
      answers = await connection.request("publish", { ...args, blocks: null }, signal);
    }
    answers ??= await withBlocks(this.#options, changes, connection.blockFiles, (blocks) =>
      connection.request("publish", { ...args, blocks }, signal),
    );
    if (answers === null) throw new InternalError("the FAISS host asked for vectors that it was given");
    this.#index.noteTaken(args.changes, changes.length);
    return Array.from(answers, (applied) => (applied === 1 ? "applied" : "stale"));
  }

  async discard(token: string, signal: AbortSignal): Promise<void> {
    const connection = await this.#index.ready(signal);
    await connection.request("discard", { token }, signal);
  }

  async read(
    keys: readonly MemoryKey[],
    options: { data: boolean },
    signal: AbortSignal,
  ): Promise<(StoredEntry | null)[]> {
    const connection = await this.#index.ready(signal);
    return readEntries(connection, this.#options.dimension, keys, options, signal);
  }

  async scan(cursor: string | null, options: ScanOptions, signal: AbortSignal): Promise<ScanPage> {
    const connection = await this.#index.ready(signal);
    const buckets = options.buckets?.values() ?? null;
    const page = await connection.request("scan", { cursor, limit: options.limit ?? SCAN_PAGE, buckets }, signal);
    return {
      entries: page.entries.map((entry: WireKeyedEntry) => storedEntry(entry, entry, null)),
      cursor: page.cursor,
    };
  }

  async digest(signal: AbortSignal): Promise<BucketDigests> {
    const connection = await this.#index.ready(signal);
    const found = await connection.request("digest", null, signal);
    const digests = new BucketDigests();
    for (const part of ["counts", "xorHigh", "xorLow", "sumHigh", "sumLow"] as const) digests[part].set(found[part]);
    return digests;
  }

  async count(signal: AbortSignal): Promise<number> {
    const connection = await this.#index.ready(signal);
    return connection.request("count", null, signal);
  }

  flaw(entry: LiveEntry, expected: PutChange): string | null {
    return vectorFlaw(this.#options.metric, entry.data?.embedding ?? null, expected.embedding);
  }

  async replace(replacements: readonly Replacement[], signal: AbortSignal): Promise<("applied" | "moved")[]> {
    const connection = await this.#index.ready(signal);
    // This index never holds a malformed entry, so an entry that was found malformed is not here.
    const possible = replacements.filter(({ found }) => found?.state !== "malformed");
    const wire = possible.map(wireReplacement);
    const changes = possible.flatMap(({ change }) => (change === null ? [] : [change]));
    const answers = await withBlocks(this.#options, changes, connection.blockFiles, (blocks) =>
      connection.request("replace", { replacements: wire, blocks }, signal),
    );
    this.#index.noteTaken(packChanges(changes), replacements.length);
    let next = 0;
    return replacements.map(({ found }) => (found?.state === "malformed" ? "moved" : (answers[next++] ?? "moved")));
  }

  async health(signal: AbortSignal): Promise<ProjectionHealth> {
    const { state, lastFailure } = this.#index;
    if (state !== "ready") {
      return { state: "down", reason: `the host is ${state}${lastFailure === null ? "" : ` (${lastFailure})`}` };
    }
    try {
      const connection = await this.#index.ready(signal);
      // A failed rewrite does not stop the index from serving: `statistics` and the log report the failure.
      await connection.request("ping", null, signal);
      return { state: "healthy" };
    } catch (error) {
      return { state: "down", reason: (error as Error).message };
    }
  }

  /**
   * The `k` memories nearest to `vector`, best first, ties in the order of their ids; fewer only where fewer exist.
   * The score is the cosine similarity in [-1, 1], the dot product, or minus the Euclidean distance, by metric.
   * @param k 1 … 100_000.
   * @throws {ValidationError} The vector does not fit the index, or k is out of bounds.
   */
  async search(namespace: string, vector: Float32Array, k: number, signal: AbortSignal): Promise<SearchHit[]> {
    assertWhole("k", k, 1, K_MAX);
    const projected = projectChecked(this.#options, vector);
    const connection = await this.#index.ready(signal);
    return connection.searches.search(namespace, projected, k, signal);
  }

  /** The score that `search` would return for a vector with `embedding`. @throws {ValidationError} */
  score(query: Float32Array, embedding: Float32Array): number {
    const { metric } = this.#options;
    return exactScore(metric, projectChecked(this.#options, query), projectChecked(this.#options, embedding), 0);
  }

  /** Reads the ledger's feed from the index's position and applies missing changes. Safe to run concurrently with publishes. */
  catchUp(signal: AbortSignal): Promise<CatchUpProgress> {
    return this.#index.catchUp(signal);
  }

  /**
   * Writes a snapshot, after catching up with the ledger where the ledger answers, so that the next start replays little.
   * Also runs automatically, by `snapshotIntervalMs` and `snapshotChangesMax`.
   */
  snapshot(signal: AbortSignal): Promise<{ sequence: number; bytes: number }> {
    return this.#index.snapshot(signal);
  }

  /** Compacts every namespace now: rewrites it without its dead vectors. Also runs automatically, by `deadShareMax`. */
  async compact(signal: AbortSignal): Promise<{ slotsFreed: number }> {
    const connection = await this.#index.ready(signal);
    return connection.request("compact", null, signal);
  }

  /**
   * Removes the vectors of dead entries, from memory and from disk: compacts every namespace, writes a snapshot, and removes
   * all older ones and those that were set aside.
   */
  async forget(signal: AbortSignal): Promise<void> {
    await this.#index.catchUp(signal);
    await this.compact(signal);
    await this.#index.replaceSnapshots(signal);
  }

  /** Never rejects. */
  statistics(signal: AbortSignal): Promise<FaissStatistics> {
    return this.#index.statistics(signal);
  }

  /**
   * Ends the host and releases the directory; waiting calls reject with `ClosedError`. With `snapshot` the index is saved
   * first; if that fails, the log gives the reason. Leaves no process, timer or file. Idempotent.
   */
  close(options: { snapshot?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    return this.#index.close(options);
  }

  /** A vector of another model has no meaningful score here. A vector of another dimension does not fit a block. */
  #refuseForeign(changes: readonly MemoryChange[]): void {
    const { model } = this.#options;
    for (const change of changes) {
      const reason = change.kind === "put" ? foreignReason({ model }, change) : null;
      if (reason !== null) throw new StoreRefusedError("faiss", `memory ${JSON.stringify(change.memoryId)}: ${reason}`);
    }
  }
}
