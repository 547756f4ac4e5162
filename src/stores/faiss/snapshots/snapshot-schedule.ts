import { setImmediate as nextTurn } from "node:timers/promises";
import { withDeadline } from "../../../runtime/deadline.ts";
import type { Log } from "../../../runtime/log.ts";

/** A snapshot that takes longer is given up: its disk hangs. */
const SNAPSHOT_MS = 600_000;

export interface SnapshotScheduleOptions {
  /** Milliseconds from the first change that is in no snapshot until one is written. */
  readonly intervalMs: number;
  /** Changes after which one is written at once. */
  readonly changesMax: number;
  readonly write: (signal: AbortSignal) => Promise<unknown>;
  readonly log: Log;
}

/**
 * Sees to it that little of the feed has to be replayed after a restart: a snapshot after so many changes or so much
 * time, whichever comes first, one at a time. Without changes none is written. One that failed is tried again after
 * `intervalMs`: until then the older one serves.
 */
export class SnapshotSchedule {
  readonly #options: SnapshotScheduleOptions;
  readonly #stopping = new AbortController();
  #changes = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | null = null;

  constructor(options: SnapshotScheduleOptions) {
    this.#options = options;
  }

  /** Changes that are in no snapshot yet. */
  get changes(): number {
    return this.#changes;
  }

  /** Tells of changes to the index. */
  note(changes: number): void {
    if (changes === 0 || this.#stopping.signal.aborted) return;
    this.#changes += changes;
    if (this.#changes >= this.#options.changesMax) this.#run();
    this.#timer ??= setTimeout(() => this.#run(), this.#options.intervalMs).unref();
  }

  /** A snapshot is being written: what is noted from now on is not in it. @returns tells that it failed. */
  begin(): () => void {
    const taken = this.#changes;
    this.#changes = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return () => {
      this.#changes += taken;
      if (this.#stopping.signal.aborted || taken === 0) return;
      this.#timer ??= setTimeout(() => this.#run(), this.#options.intervalMs).unref();
    };
  }

  /** Resolves once the snapshot under way is written or given up, and no timer is left. Safe twice. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopping.abort();
    await this.#running;
  }

  #run(): void {
    if (this.#running !== null || this.#stopping.signal.aborted) return;
    this.#running = this.#write().finally(() => {
      this.#running = null;
    });
  }

  async #write(): Promise<void> {
    await nextTurn(); // The call that brought the last change is answered first.
    try {
      await withDeadline(SNAPSHOT_MS, this.#stopping.signal, this.#options.write);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const { intervalMs } = this.#options;
      this.#options.log.warn({ error: (error as Error).message, intervalMs }, "index.snapshot_failed");
    }
  }
}
