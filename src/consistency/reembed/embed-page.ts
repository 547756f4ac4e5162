import { MnemosyncError } from "../../domain/errors.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import { plainKey } from "../../domain/keys.ts";
import type { MemoryChange, MemoryDocument, PutChange } from "../../domain/memory.ts";
import type { MemoryValidator } from "../../domain/schema.ts";
import type { Embedder } from "../../embed/embedder.ts";
import type { SyncOutcome } from "../../write/outcome.ts";
import type { WriteIntent } from "../../write/plan.ts";

export interface EmbedPageParts {
  readonly embedder: Embedder;
  readonly validator: MemoryValidator;
  /** One outcome per intent, in order. */
  readonly write: (intents: readonly WriteIntent[], signal: AbortSignal) => Promise<SyncOutcome[]>;
}

/** A memory that got no new vector, and why. */
export interface EmbedFailure extends MemoryKey {
  readonly code: string;
  readonly message: string;
}

export interface PageEnding {
  /** Memories that have their new vector now. */
  readonly embedded: number;
  /** Memories that another write changed meanwhile: the next pass takes them. */
  readonly moved: number;
  /** Memories without text, whose vector cannot be made anew. */
  readonly withoutText: number;
  readonly failures: readonly EmbedFailure[];
}

interface Wanted {
  readonly change: PutChange;
  readonly document: MemoryDocument;
}

/**
 * Gives the memories of a page, as far as `matches` holds, a vector of the embedder's model, each as a new version of
 * unchanged content. A memory that has one is left alone, so a page that is repeated costs no embedding.
 * @throws {EmbeddingError} {StoreUnavailableError} and others that may pass: what was done so far stays.
 */
export async function embedPage(
  parts: EmbedPageParts,
  page: readonly MemoryChange[],
  matches: (change: PutChange) => boolean,
  signal: AbortSignal,
): Promise<PageEnding> {
  const { model } = parts.embedder;
  const wanted: Wanted[] = [];
  let withoutText = 0;
  for (const change of page) {
    // A memory without a vector is not searched for, by its writer's choice.
    if (change.kind !== "put" || change.embedding === null || change.embeddingModel === model) continue;
    if (!matches(change)) continue;
    const document = JSON.parse(change.documentJson) as MemoryDocument;
    if (document.content === "") withoutText++;
    else wanted.push({ change, document });
  }
  const failures: EmbedFailure[] = [];
  const intents = await intentsOf(parts, wanted, failures, signal);
  const outcomes = intents.length === 0 ? [] : await parts.write(intents, signal);
  let embedded = 0;
  let moved = 0;
  for (const [position, { status, error }] of outcomes.entries()) {
    if (status === "conflict") moved++;
    else if (status !== "failed") embedded++;
    else if (error === undefined || error.retryable) throw error ?? new Error("a failed write without an error");
    else failures.push(failureOf((intents[position] as WriteIntent).key, error));
  }
  return { embedded, moved, withoutText, failures };
}

/** Embeds in one call; where the embedder refuses that for good, each half by itself finds the text at fault. */
async function intentsOf(
  parts: EmbedPageParts,
  wanted: readonly Wanted[],
  failures: EmbedFailure[],
  signal: AbortSignal,
): Promise<WriteIntent[]> {
  if (wanted.length === 0) return [];
  try {
    const vectors = await parts.embedder.embed(
      wanted.map(({ document }) => document.content),
      signal,
    );
    return wanted.flatMap((item, position) => intentOf(parts, item, vectors[position] as Float32Array, failures));
  } catch (error) {
    if (!(error instanceof MnemosyncError) || error.retryable) throw error;
    const [only] = wanted;
    if (wanted.length === 1 && only !== undefined) {
      failures.push(failureOf(only.change, error));
      return [];
    }
    const middle = wanted.length >> 1;
    const before = await intentsOf(parts, wanted.slice(0, middle), failures, signal);
    return before.concat(await intentsOf(parts, wanted.slice(middle), failures, signal));
  }
}

/** The write of one memory, provided that it is still at the version that was read; none where it breaks a bound of today. */
function intentOf(
  { validator, embedder }: EmbedPageParts,
  { change, document: { embeddingModel: _, ...document } }: Wanted,
  embedding: Float32Array,
  failures: EmbedFailure[],
): WriteIntent[] {
  const key = plainKey(change);
  try {
    const memory = validator.encode(validator.validate({ ...document, ...key }), { embedding, model: embedder.model });
    return [{ key, memory, expectedVersion: change.version, modifiedAt: null }];
  } catch (error) {
    if (!(error instanceof MnemosyncError)) throw error;
    failures.push(failureOf(key, error));
    return [];
  }
}

function failureOf({ namespace, memoryId }: MemoryKey, { code, message }: MnemosyncError): EmbedFailure {
  return { namespace, memoryId, code, message };
}
