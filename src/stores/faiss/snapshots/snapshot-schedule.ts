import { setImmediate as nextTurn } from "node:timers/promises";
import { withDeadline } from "../../../runtime/deadline.ts";
import type { Log } from "../../../runtime/log.ts";

/** Deadline of one snapshot: a slower one means that the disk hangs. */
const SNAPSHOT_MS = 600_000;

export interface SnapshotScheduleOptions {
  /** Milliseconds from the first unsaved change until a snapshot is written. */
  readonly intervalMs: number;
  /** Unsaved changes that trigger a snapshot at once. */
  readonly changesMax: number;
  readonly write: (signal: AbortSignal) => Promise<unknown>;
  readonly log: Log;
}

/**
 * Bounds the part of the feed that a restart replays: it writes a snapshot after a number of changes or after an interval,
 * whichever comes first, one at a time. Without changes it writes none. It retries a failed snapshot after `intervalMs`;
 * until then the previous one remains in use.
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

  /** Changes that no snapshot contains yet. */
  get changes(): number {
    return this.#changes;
  }

  /** Records changes to the index. */
  note(changes: number): void {
    if (changes === 0 || this.#stopping.signal.aborted) return;
    this.#changes += changes;
    if (this.#changes >= this.#options.changesMax) this.#run();
    this.#timer ??= setTimeout(() => this.#run(), this.#options.intervalMs).unref();
  }

  /** Marks the start of a snapshot: later changes are not in it. @returns a function to call if the snapshot fails. */
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

  /** Resolves once the snapshot in progress is written or abandoned, and no timer is left. Idempotent. */
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
    await nextTurn(); // Answer the call that brought the last change first.
    try {
      await withDeadline(SNAPSHOT_MS, this.#stopping.signal, this.#options.write);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const { intervalMs } = this.#options;
      this.#options.log.warn({ error: (error as Error).message, intervalMs }, "index.snapshot_failed");
    }
  }
}
