import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { HostMessage, MainConfiguration } from "../protocol/messages.ts";
import { HeldFile } from "../snapshots/held-file.ts";
import { isIndex } from "./flat-space.ts";
import { MainIndex } from "./main-index.ts";
import type { MemoryIndex } from "./memory-index.ts";
import type { NamespaceIndex } from "./namespace-index.ts";
import { type RebuildResult, trainRowsMin } from "./rebuild-job.ts";
import { type RebuildProcess, startRebuild } from "./rebuild-process.ts";
import { withSearchParameters } from "./search-parameters.ts";
import type { Segment } from "./vector-segments.ts";

/** Name prefix of the folder of one rewrite. */
const OWN_PREFIX = "rebuild-";
/** Minimum number of dead rows for a rewrite, whatever their share. */
const ROWS_MIN = 1_000;
/** Milliseconds before a failed rewrite is retried, so that not every write retries it. */
const RETRY_MS = 60_000;
/** Namespaces up to this size are rewritten in this process: a few milliseconds, while a worker takes 100 ms to start. */
const INLINE_BYTES_MAX = 2 * 1024 * 1024;

/**
 * Rewrites namespaces: removes dead rows, and builds a main index where one is due. One rewrite runs at a time, in a worker
 * process, while searches and writes continue:
 *
 *     seal the rows ──► write them to files ──► worker builds ──► read the results ──► swap, and mark rows that died since
 */
export class Rebuilder {
  readonly #configuration: MainConfiguration;
  readonly #indexNow: () => MemoryIndex;
  readonly #tell: (message: HostMessage) => void;
  readonly #waiting = new Set<string>();
  #running: Promise<void> | null = null;
  #worker: RebuildProcess | null = null;
  #retryAt = 0;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;
  #done = 0;
  #failure: string | null = null;

  /** @param indexNow returns the index being served; a snapshot load may replace it. */
  constructor(configuration: MainConfiguration, indexNow: () => MemoryIndex, tell: (message: HostMessage) => void) {
    this.#configuration = configuration;
    this.#indexNow = indexNow;
    this.#tell = tell;
    this.#sweep(); // Files that a killed host left behind.
  }

  get done(): number {
    return this.#done;
  }

  get pending(): number {
    return this.#waiting.size;
  }

  /** Why the last rewrite failed; null after a successful one. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Rewrites the touched namespaces that need it, after this turn of the event loop. */
  consider(touched: Iterable<string>): void {
    if (performance.now() < this.#retryAt || this.#isClosed) return;
    for (const name of touched) {
      const namespace = this.#indexNow().find(name);
      if (namespace !== undefined && this.#pays(namespace)) this.#waiting.add(name);
    }
    if (this.#waiting.size > 0) this.#running ??= this.#runAll();
  }

  /** Rewrites one namespace as soon as the running rewrite ends. @returns slots freed. */
  async force(namespace: NamespaceIndex): Promise<number> {
    // A failure of the previous rewrite is reported to its own caller.
    while (this.#running !== null) await this.#running.catch(() => undefined);
    let freed = 0;
    this.#running = this.#rebuild(namespace).then((count) => {
      freed = count;
    });
    try {
      await this.#running;
    } finally {
      this.#running = this.#waiting.size > 0 && !this.#isClosed ? this.#runAll() : null;
    }
    return freed;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#waiting.clear();
    this.#worker?.kill();
    this.#sweep();
  }

  /**
   * Removes the files of rewrites, which run one at a time. It removes nothing else: the folder comes from the settings and
   * may hold other files.
   */
  #sweep(): void {
    const { folder } = this.#configuration;
    if (!existsSync(folder)) return;
    const names = readdirSync(folder);
    const own = names.filter((name) => name.startsWith(OWN_PREFIX));
    for (const name of own) rmSync(join(folder, name), { recursive: true, force: true });
    if (own.length === names.length) rmdirSync(folder);
  }

  async #runAll(): Promise<void> {
    await nextTurn(); // Answer the write that triggered the rewrite first.
    for (const name of this.#waiting) {
      const namespace = this.#indexNow().find(name);
      // A snapshot load may have replaced the index.
      if (namespace === undefined || !this.#pays(namespace)) {
        this.#waiting.delete(name);
        continue;
      }
      const started = performance.now();
      try {
        const slotsFreed = await this.#rebuild(namespace);
        this.#failure = null;
        const durationMs = Math.round(performance.now() - started);
        const fields = { namespace: name, slotsFreed, main: namespace.vectors.main?.rows ?? 0, durationMs };
        this.#tell({ event: "index.compacted", level: "info", fields });
      } catch (error) {
        if (this.#isClosed) return;
        this.#failure = (error as Error).message;
        this.#retryAt = performance.now() + RETRY_MS;
        this.#retry ??= setTimeout(() => {
          this.#retry = undefined;
          this.consider(this.#indexNow().namespaces.map((other) => other.namespace));
        }, RETRY_MS + 1).unref();
        const fields = { namespace: name, reason: this.#failure };
        this.#tell({ event: "index.compaction_failed", level: "warn", fields });
      }
      this.#waiting.delete(name);
      // Many writes may have arrived meanwhile.
      if (this.#failure === null && this.#pays(namespace)) this.#waiting.add(name);
    }
    this.#running = null;
  }

  #pays(namespace: NamespaceIndex): boolean {
    const { deadShareMax, deltaShareMax } = this.#configuration;
    const { slots, tombstones, vectors } = namespace;
    if (slots.deadCount > ROWS_MIN && slots.deadCount > deadShareMax * slots.length) return true;
    const gaps = tombstones.length - tombstones.count;
    if (gaps > ROWS_MIN && gaps * 2 > tombstones.length) return true;
    if (!this.#wantsMain(slots.liveCount)) return false;
    if (vectors.main === null) return true;
    return vectors.deltaRows > ROWS_MIN && vectors.deltaRows > deltaShareMax * vectors.rows;
  }

  #wantsMain(live: number): boolean {
    const { factory, mainRowsMin } = this.#configuration;
    return factory !== "Flat" && live >= Math.max(1, mainRowsMin, trainRowsMin(factory));
  }

  async #rebuild(namespace: NamespaceIndex): Promise<number> {
    const index = this.#indexNow();
    const { space, views } = index;
    const { slots, vectors } = namespace;
    const wantsMain = this.#wantsMain(slots.liveCount);
    if (
      slots.deadCount === 0 &&
      (wantsMain ? vectors.main !== null && vectors.deltaRows === 0 : vectors.main === null)
    ) {
      namespace.compactTombstones();
      this.#done++;
      return 0;
    }
    const cut = vectors.seal();
    const kept = namespace.liveSlots(cut);
    if (!wantsMain && kept.length * space.rowBytes <= INLINE_BYTES_MAX) {
      const segments = kept.length === 0 ? [] : [this.#copyHere(index, namespace, kept)];
      this.#done++;
      return namespace.adopt(cut, kept, { main: null, segments }, views);
    }
    const { generation } = namespace;
    const main = vectors.main;
    const first = main?.vectors.retain() ?? null;
    const written: string[] = [];
    const folder = this.#newFolder(index, wantsMain, kept.length);
    try {
      const segments: { path: string | null; rows: number }[] = [];
      for (const segment of vectors.segments.filter(({ base }) => base < cut)) {
        if (segment.dead === segment.rows) {
          segments.push({ path: null, rows: segment.rows }); // Common where the same memories are updated often.
          continue;
        }
        const path = space.writeScratch(segment.index);
        written.push(path);
        segments.push({ path, rows: segment.rows });
        await nextTurn(); // A segment takes some 20 ms; the host serves calls in between.
      }
      const { factory, nprobe, efSearch } = this.#configuration;
      const parameters = { nprobe, efSearch };
      const worker = startRebuild(
        {
          shape: space.shape,
          firstRows: main?.rows ?? 0,
          segments,
          kept,
          folder,
          main: wantsMain ? { factory, parameters } : null,
        },
        first,
        this.#configuration.threads,
      );
      this.#worker = worker;
      const result = await worker.result;
      const built = await this.#read(index, result, kept.length);
      if (this.#isClosed || namespace.generation !== generation || this.#indexNow() !== index) {
        built.main?.drop();
        throw new Error("the namespace was replaced while it was rewritten");
      }
      this.#done++;
      return namespace.adopt(cut, kept, built, views);
    } finally {
      first?.release();
      for (const path of written) rmSync(path, { force: true });
      if (wantsMain) this.#sweep();
      else rmSync(folder, { recursive: true, force: true });
    }
  }

  #copyHere({ space, views }: MemoryIndex, { vectors }: NamespaceIndex, kept: Uint32Array): Segment {
    const floats = new Float32Array(kept.length * space.shape.dimension);
    const bytes = new Uint8Array(floats.buffer);
    for (const [row, slot] of kept.entries()) {
      vectors.readRow(slot, bytes.subarray(row * space.rowBytes, (row + 1) * space.rowBytes), views);
    }
    const rowsIn = space.fromVectors(floats);
    let index = rowsIn;
    if (!isIndex(index)) {
      index = space.empty();
      space.append(index, { rows: kept.length, bytes: floats.byteLength, rowsIn });
    }
    return { index, base: 0, rows: kept.length, dead: 0, sealed: false };
  }

  /** Flat segments are always loaded into memory; the exact vectors of a main index stay on disk. */
  #newFolder({ space }: MemoryIndex, wantsMain: boolean, rows: number): string {
    if (wantsMain) {
      mkdirSync(this.#configuration.folder, { recursive: true });
      return mkdtempSync(join(this.#configuration.folder, OWN_PREFIX));
    }
    const folder = space.scratch.pathFor(rows * space.rowBytes);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  async #read(
    { space }: MemoryIndex,
    { segments, main }: RebuildResult,
    rows: number,
  ): Promise<{ main: MainIndex | null; segments: Segment[] }> {
    if (main === null) {
      const read: Segment[] = [];
      for (const segment of segments) {
        const index = space.readFile(segment.path, segment.rows);
        rmSync(segment.path);
        read.push({ index, base: 0, rows: segment.rows, dead: 0, sealed: false });
        await nextTurn();
      }
      return { main: null, segments: read };
    }
    const { factory } = this.#configuration;
    const vectors = HeldFile.take(segments[0]!.path);
    try {
      const from = { path: main, take: true, vectors, rows, factory };
      return { main: readMain(space, from, this.#configuration), segments: [] };
    } catch (error) {
      vectors.release();
      throw error;
    }
  }
}

/** Reads the main index at `path` with the configured search parameters. `take`: unlinks the file. */
export function readMain(
  space: MemoryIndex["space"],
  from: { path: string; take: boolean; vectors: HeldFile; rows: number; factory: string },
  parameters: MainConfiguration,
): MainIndex {
  const { path, vectors, rows, factory } = from;
  const file = from.take ? null : HeldFile.open(path);
  const copyPath = (): string => space.scratch.pathFor(file?.bytes ?? 0);
  const index = withSearchParameters(path, parameters, copyPath, (readable) => space.readAny(readable));
  if (index.ntotal() !== rows) throw new Error(`the main index holds ${index.ntotal()} vectors and not ${rows}`);
  const { nprobe } = parameters;
  return new MainIndex(space, { index, file: file ?? HeldFile.take(path), vectors, rows, factory, nprobe });
}
