import type { Batcher } from "./batcher.ts";
import type { Intake } from "./intake.ts";
import type { SyncOutcome, SyncStatus } from "./outcome.ts";
import type { Outcomes } from "./outcomes.ts";

/** Progress of a batch. */
export interface BatchProgress {
  /** Memories whose outcome is known. */
  readonly done: number;
  /** Memories read from the input so far; all of them once it is exhausted. */
  readonly read: number;
  readonly counts: Readonly<Record<SyncStatus, number>>;
}

export interface BatchOptions {
  /** Called after each slice of the input. */
  onProgress?: ((progress: BatchProgress) => void) | undefined;
  /** Ends the batch early: memories whose transaction has not begun are not written; their outcome is `failed` with ABORTED. */
  signal?: AbortSignal | undefined;
  /** Milliseconds for the whole batch; none by default, since each transaction has its own deadlines. */
  timeoutMs?: number | undefined;
  /** One transaction for all: written as a whole or not at all. At most 5,000 memories, none of them twice. @default false */
  atomic?: boolean | undefined;
  /**
   * Any text of 1 to 128 characters that names this batch. Repeating the call with the same memories returns the first
   * outcomes and writes nothing, for `idempotencyKeyRetentionMs` at least. The key belongs to the namespaces of the batch
   * and to `caller`; with other memories the call throws IdempotencyKeyReusedError.
   */
  idempotencyKey?: string | undefined;
  /** Name of the caller to whom the idempotency key belongs: 1 to 128 characters. @default one that all callers share */
  caller?: string | undefined;
}

export interface BatchParts {
  readonly intake: Intake;
  readonly batcher: Batcher;
  readonly outcomes: Outcomes;
  readonly options: { readonly batchSize: number; readonly writeConcurrency: number };
}

/** Counts outcomes and reports the counts. */
export class Progress {
  readonly #report: BatchOptions["onProgress"];
  readonly #counts: Record<SyncStatus, number> = { synced: 0, degraded: 0, unchanged: 0, conflict: 0, failed: 0 };
  #read = 0;
  #done = 0;

  constructor(report: BatchOptions["onProgress"]) {
    this.#report = report;
  }

  read(count: number): void {
    this.#read += count;
  }

  done(outcomes: readonly SyncOutcome[]): void {
    for (const outcome of outcomes) this.#counts[outcome.status]++;
    this.#done += outcomes.length;
    this.#report?.({ done: this.#done, read: this.#read, counts: { ...this.#counts } });
  }
}
