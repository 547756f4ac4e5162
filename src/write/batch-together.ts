import { ValidationError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import type { MemoryInput } from "../domain/memory-input.ts";
import { type BatchOptions, type BatchParts, Progress } from "./batch-options.ts";
import type { Refusal } from "./intake.ts";
import { keyClaimOf } from "./key-claim.ts";
import type { SyncOutcome } from "./outcome.ts";
import type { WriteIntent } from "./plan.ts";

/** Memories that one transaction may hold: bounds its size in memory and the time for which it locks. */
const ATOMIC_SIZE_MAX = 5_000;

/**
 * Writes a batch whose chunks must be the same at every repeat, or that must be one chunk.
 * @throws {IdempotencyKeyReusedError} {ValidationError}
 */
export async function writeTogether(
  parts: BatchParts,
  inputs: Iterable<MemoryInput<object>> | AsyncIterable<MemoryInput<object>>,
  options: BatchOptions,
  signal: AbortSignal,
): Promise<SyncOutcome[]> {
  const { atomic = false, idempotencyKey, caller } = options;
  const all = await collect(inputs, atomic);
  const prepared = await parts.intake.prepare(all, { idempotencyKey }, signal);
  const claim = idempotencyKey === undefined ? null : keyClaimOf({ idempotencyKey, caller }, prepared, atomic);
  const refused = prepared.find((item): item is Refusal => {
    // With a key, this call and its repeat must write the same memories. So a refusal that may not recur stops the batch.
    return "error" in item && (atomic || (claim !== null && !(item.error instanceof ValidationError)));
  });
  if (refused !== undefined) {
    const { message } = refused.error;
    const batch = atomic ? "the atomic batch" : "the batch with an idempotency key";
    const others = new ValidationError("", `nothing of ${batch} was written: ${refused.key.memoryId}: ${message}`);
    return prepared.map((item) => parts.outcomes.failed(item.key, "error" in item ? item.error : others));
  }
  const progress = new Progress(options.onProgress);
  progress.read(all.length);
  const outcomes = prepared.map((item) => ("error" in item ? parts.outcomes.failed(item.key, item.error) : null));
  const chunks = atomic ? [allOf(prepared)] : cut(prepared, parts.options.batchSize);
  for (const [number, chunk] of chunks.entries()) {
    const intents = chunk.map((place) => prepared[place] as WriteIntent);
    const ofChunk = claim === null ? null : { ...claim, part: number };
    const written = await parts.batcher.writeTogether(intents, { atomic, claim: ofChunk }, true, signal);
    // The first chunk claims the key for the whole request, so nothing of this one was written.
    const reused = written.find(({ error }) => error?.code === "IDEMPOTENCY_KEY_REUSED");
    if (reused?.error !== undefined) throw reused.error;
    chunk.forEach((place, index) => {
      outcomes[place] = written[index] as SyncOutcome;
    });
    progress.done(written);
  }
  return outcomes as SyncOutcome[];
}

async function collect(
  inputs: Iterable<MemoryInput<object>> | AsyncIterable<MemoryInput<object>>,
  atomic: boolean,
): Promise<MemoryInput<object>[]> {
  const all: MemoryInput<object>[] = [];
  const seen = new Set<string>();
  for await (const input of inputs) {
    all.push(input);
    if (!atomic) continue;
    if (all.length > ATOMIC_SIZE_MAX) {
      throw new ValidationError("", `an atomic batch holds at most ${ATOMIC_SIZE_MAX} memories`);
    }
    const text = keyText({ namespace: input.namespace ?? "default", memoryId: input.memoryId });
    if (seen.has(text)) {
      throw new ValidationError(
        "memoryId",
        `${JSON.stringify(input.memoryId)} occurs twice in an atomic batch: give each memory once`,
      );
    }
    seen.add(text);
  }
  return all;
}

type Prepared = readonly (WriteIntent | Refusal)[];

function allOf(prepared: Prepared): number[] {
  return prepared.map((_, index) => index);
}

/** Places of the memories to write, in chunks of distinct memories: the same input is always cut the same way. */
function cut(prepared: Prepared, size: number): number[][] {
  const chunks: number[][] = [];
  let held = new Set<string>();
  prepared.forEach((item, index) => {
    if ("error" in item) return;
    const text = keyText(item.key);
    const last = chunks.at(-1);
    if (last === undefined || last.length === size || held.has(text)) {
      chunks.push([index]);
      held = new Set([text]);
    } else {
      last.push(index);
      held.add(text);
    }
  });
  return chunks;
}
