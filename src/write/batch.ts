import type { MemoryInput } from "../domain/memory-input.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { ownTurn } from "../runtime/turns.ts";
import { type BatchOptions, type BatchParts, Progress } from "./batch-options.ts";
import { writeTogether } from "./batch-together.ts";
import type { SyncOutcome } from "./outcome.ts";
import type { WriteIntent } from "./plan.ts";

/** Slices under way at a time, per transaction that may run: one being written, one being got ready. */
const SLICES_PER_TRANSACTION = 2;

/** Writes all memories of `inputs`. One outcome per memory, in order. Reads no further ahead than it can write. */
export async function writeBatch(
  parts: BatchParts,
  inputs: Iterable<MemoryInput<object>> | AsyncIterable<MemoryInput<object>>,
  options: BatchOptions,
): Promise<SyncOutcome[]> {
  const { signal = new AbortController().signal, timeoutMs } = options;
  const write = options.atomic || options.idempotencyKey !== undefined ? writeTogether : writeInSlices;
  if (timeoutMs === undefined) return await write(parts, inputs, options, signal);
  return await withDeadline(timeoutMs, signal, (deadline) => write(parts, inputs, options, deadline));
}

async function writeInSlices(
  parts: BatchParts,
  inputs: Iterable<MemoryInput<object>> | AsyncIterable<MemoryInput<object>>,
  options: BatchOptions,
  signal: AbortSignal,
): Promise<SyncOutcome[]> {
  const { batchSize, writeConcurrency } = parts.options;
  const outcomes: SyncOutcome[] = [];
  const progress = new Progress(options.onProgress);
  const underway = new Set<Promise<void>>();
  let failure: unknown;
  for await (const slice of slices(inputs, batchSize)) {
    // Reading a list, and getting the first slices ready, takes no turn by itself: they would all be one.
    await ownTurn();
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
  inputs: readonly MemoryInput<object>[],
  signal: AbortSignal,
): Promise<SyncOutcome[]> {
  const prepared = await parts.intake.prepare(inputs, {}, signal);
  const intents = prepared.filter((item): item is WriteIntent => !("error" in item));
  const written = (await parts.batcher.writeMany(intents, signal)).values();
  return prepared.map((item) =>
    "error" in item ? parts.outcomes.failed(item.key, item.error) : (written.next().value as SyncOutcome),
  );
}

/** Characters of contents in a slice, about: a hundred contents of 1 MiB, eight times over, would fill a heap of 1 GiB. */
const SLICE_LENGTH_MAX = 16 * 1024 * 1024;

/** Cuts an input into arrays of `size`, or fewer where their contents are long. */
async function* slices(
  inputs: Iterable<MemoryInput<object>> | AsyncIterable<MemoryInput<object>>,
  size: number,
): AsyncGenerator<MemoryInput<object>[]> {
  let slice: MemoryInput<object>[] = [];
  let length = 0;
  for await (const input of inputs) {
    slice.push(input);
    // Nothing is validated yet.
    length += typeof input?.content === "string" ? input.content.length : 0;
    if (slice.length === size || length >= SLICE_LENGTH_MAX) {
      yield slice;
      slice = [];
      length = 0;
    }
  }
  if (slice.length > 0) yield slice;
}
