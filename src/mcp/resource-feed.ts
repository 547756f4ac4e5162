import { ClosedError, EpochChangedError, type Log, type MemoryKey, type MemorySynchronizer } from "../index.ts";
import { backoffCeilingMs } from "../runtime/backoff.ts";
import { pause } from "../runtime/deadline.ts";

export interface ResourceFeedOptions {
  readonly sync: Pick<MemorySynchronizer, "changes" | "readChanges">;
  readonly log: Log;
}

/** Of each memory the latest change. Local ones too: a subscriber is told no more than that it may read a memory again. */
const READING = { reading: "changes", includeLocal: true } as const;
/** Changes that are read at a time. */
const PAGE_SIZE = 100;
const RETRY_BASE_MS = 200;
const RETRY_MAX_MS = 10_000;

interface Following {
  readonly stop: AbortController;
  /** Resolves once every later change will be told. */
  readonly begun: Promise<void>;
}

/**
 * Tells subscribers that a memory changed. One reader of the change feed serves all sessions of a process.
 *
 *   idle ──first subscriber──► following ──last one gone──► idle
 */
export class ResourceFeed {
  readonly #options: ResourceFeedOptions;
  readonly #listeners = new Map<string, Set<() => void>>();
  #following: Following | null = null;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ResourceFeedOptions) {
    this.#options = options;
  }

  /** Memories that are watched. */
  get watched(): number {
    return this.#listeners.size;
  }

  /**
   * Resolves once `listener` hears of every change that is committed from now on; it may be called once too often, and must not throw.
   * @returns ends it. @throws {StoreUnavailableError} The feed cannot be read.
   */
  async subscribe(key: MemoryKey, listener: () => void): Promise<() => void> {
    const name = nameOf(key);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    const unsubscribe = (): void => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) this.#listeners.delete(name);
      if (this.#listeners.size === 0) this.#end();
    };
    this.#following ??= this.#follow();
    try {
      await this.#following.begun;
    } catch (error) {
      unsubscribe();
      throw error;
    }
    return unsubscribe;
  }

  /** Resolves once the reader has ended. Safe twice. */
  async stop(): Promise<void> {
    this.#listeners.clear();
    this.#end();
    await this.#loop;
  }

  #end(): void {
    this.#following?.stop.abort();
    this.#following = null;
  }

  #follow(): Following {
    const stop = new AbortController();
    const first = this.#place(stop.signal);
    const following = { stop, begun: first.then(() => undefined) };
    following.begun.catch(() => {
      if (this.#following === following) this.#following = null; // The next subscriber tries again.
    });
    const before = this.#loop;
    this.#loop = (async () => {
      await before;
      const cursor = await first.catch(() => null);
      if (cursor !== null) await this.#read(cursor, stop.signal);
    })();
    return following;
  }

  async #place(signal: AbortSignal): Promise<string> {
    return (await this.#options.sync.readChanges({ ...READING, from: "now", limit: 1, signal })).cursor;
  }

  /** Never rejects. */
  async #read(from: string, signal: AbortSignal): Promise<void> {
    let cursor: string | null = from;
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (cursor === null) {
          cursor = await this.#place(signal);
          this.#tellAll(); // What happened in between is unknown.
        }
        for await (const change of this.#options.sync.changes({ ...READING, cursor, pageSize: PAGE_SIZE, signal })) {
          cursor = change.cursor;
          failures = 0;
          this.#tell(change);
        }
      } catch (error) {
        if (signal.aborted || error instanceof ClosedError) return;
        if (error instanceof EpochChangedError) cursor = null; // It names a place that no longer exists.
        failures++;
        const waitMs = backoffCeilingMs(failures, { baseMs: RETRY_BASE_MS, maxMs: RETRY_MAX_MS });
        this.#options.log.warn({ error: (error as Error).message, waitMs }, "mcp.feed_failed");
        await pause(waitMs, signal);
      }
    }
  }

  #tell(key: MemoryKey): void {
    for (const listener of [...(this.#listeners.get(nameOf(key)) ?? [])]) listener();
  }

  #tellAll(): void {
    for (const listeners of [...this.#listeners.values()]) for (const listener of [...listeners]) listener();
  }
}

/** No namespace contains a slash. */
function nameOf({ namespace, memoryId }: MemoryKey): string {
  return `${namespace}/${memoryId}`;
}
