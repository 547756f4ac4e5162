import { AbortedError } from "../errors.ts";
import type { MemoryInput } from "../memory/schema.ts";
import type { Batcher } from "./batcher.ts";
import type { Intake } from "./intake.ts";
import { failedOutcome, type SyncOutcome, type SyncStatus } from "./outcome.ts";

/** How far a batch is. */
export interface BatchProgress {
  /** Memories whose outcome is known. */
  readonly done: number;
  /** Memories read from the input so far; all of them once it is exhausted. */
  readonly read: number;
  readonly counts: Readonly<Record<SyncStatus, number>>;
}

export interface BatchOptions {
  /** Called after each slice of the input. */
  onProgress?: (progress: BatchProgress) => void;
  /** Ends the batch early: what has not begun is not written, and says so in its outcome. */
  signal?: AbortSignal;
}

export interface BatchParts {
  readonly intake: Intake;
  readonly batcher: Batcher;
  readonly options: { readonly batchSize: number; readonly writeConcurrency: number };
}

/** Slices under way at a time, per transaction that may run: one being written, one being got ready. */
const SLICES_PER_TRANSACTION = 2;

/** Writes all memories of `inputs`. One outcome per memory, in order. Reads no further ahead than it can write. */
export async function writeBatch(
  parts: BatchParts,
  inputs: Iterable<MemoryInput> | AsyncIterable<MemoryInput>,
  options: BatchOptions,
): Promise<SyncOutcome[]> {
  const { batchSize, writeConcurrency } = parts.options;
  const outcomes: SyncOutcome[] = [];
  const progress = new Progress(options.onProgress);
  const underway = new Set<Promise<void>>();
  const signal = options.signal ?? new AbortController().signal;
  let failure: unknown;
  for await (const slice of slices(inputs, batchSize)) {
    const start = outcomes.length;
    outcomes.length += slice.length;
    progress.read(slice.length);
    const writing = writeSlice(parts, slice, signal)
      .then((written) => {
        written.forEach((outcome, index) => {
          outcomes[start + index] = outcome;
        });
        progress.done(written);
      })
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => underway.delete(writing));
    underway.add(writing);
    if (underway.size >= writeConcurrency * SLICES_PER_TRANSACTION) await Promise.race(underway);
    if (failure !== undefined) break;
  }
  await Promise.all(underway);
  if (failure !== undefined) throw failure;
  return outcomes;
}

async function writeSlice(
  parts: BatchParts,
  inputs: readonly MemoryInput[],
  signal: AbortSignal,
): Promise<SyncOutcome[]> {
  const prepared = await parts.intake.prepare(inputs, {}, signal);
  return await Promise.all(
    prepared.map(async (item) => {
      if ("error" in item) return failedOutcome(item.key, item.error);
      try {
        return await parts.batcher.write(item, true, signal);
      } catch (error) {
        if (error instanceof AbortedError) return failedOutcome(item.key, error);
        throw error;
      }
    }),
  );
}

/** Cuts an input into arrays of `size`. */
async function* slices(
  inputs: Iterable<MemoryInput> | AsyncIterable<MemoryInput>,
  size: number,
): AsyncGenerator<MemoryInput[]> {
  let slice: MemoryInput[] = [];
  for await (const input of inputs) {
    slice.push(input);
    if (slice.length === size) {
      yield slice;
      slice = [];
    }
  }
  if (slice.length > 0) yield slice;
}

class Progress {
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
