import { EmbeddingError, InternalError, MnemosyncError } from "../domain/errors.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryInput } from "../domain/memory-input.ts";
import type { MemoryValidator, ValidMemory } from "../domain/schema.ts";
import { SharedVectorBlocks, VectorBlock } from "../domain/vector-block.ts";
import type { Embedder } from "../embed/embedder.ts";
import { LONG_ITEM, mapInTurns, Turns } from "../runtime/turns.ts";
import type { WriteIntent } from "./plan.ts";

/** Options of a write beside the memory itself. */
export interface IntentOptions {
  readonly expectedVersion?: number | undefined;
  readonly modifiedAt?: number | undefined;
  /** False: the memories keep the vectors that they have or have not. @default true */
  readonly embeds?: boolean | undefined;
  /** With a key, intents carry the checksum of the memory as its caller gave it. */
  readonly idempotencyKey?: string | undefined;
}

/** An input that cannot be written. */
export interface Refusal {
  /** As far as the input has one, for the report. */
  readonly key: MemoryKey;
  readonly error: MnemosyncError;
}

/** Turns inputs into write intents: validates, embeds text, encodes. */
export class Intake {
  readonly #validator: MemoryValidator;
  readonly #embedder: Embedder | null;
  readonly #blocks = new SharedVectorBlocks();

  constructor(validator: MemoryValidator, embedder: Embedder | null) {
    this.#validator = validator;
    this.#embedder = embedder;
  }

  /** Whether texts get vectors. */
  get canEmbed(): boolean {
    return this.#embedder !== null;
  }

  /**
   * One result per input, in order. Text without a vector is embedded in one request for all; when the embedder fails,
   * the memories that needed it are refused and the others go on.
   */
  async prepare(
    inputs: readonly MemoryInput<object>[],
    options: IntentOptions,
    signal: AbortSignal,
  ): Promise<(WriteIntent | Refusal)[]> {
    const turns = new Turns();
    const block = VectorBlock.for(inputs);
    // Megabytes that the system clears.
    if (turns.isOver(LONG_ITEM)) await turns.next();
    const valid = await mapInTurns(inputs, (input) => this.#validate(input, block), turns);
    const wanting = valid.filter(
      (memory): memory is ValidMemory => !("error" in memory) && options.embeds !== false && this.#needsVector(memory),
    );
    const vectors = await this.#embed(wanting, signal);
    return await mapInTurns(
      valid,
      (memory) => {
        if ("error" in memory) return memory;
        return this.#withVector(memory, vectors.get(memory), options);
      },
      turns,
    );
  }

  /**
   * As `prepare`, for one input. Settled at once where nothing is embedded: promises and lists of one item cost a caller more
   * than the check of its memory.
   */
  prepareOne(
    input: MemoryInput<object>,
    options: IntentOptions,
    signal: AbortSignal,
  ): WriteIntent | Refusal | Promise<WriteIntent | Refusal> {
    const memory = this.#validate(input, this.#blocks);
    if ("error" in memory) return memory;
    if (options.embeds === false || !this.#needsVector(memory)) return this.#encode(memory, undefined, options);
    return this.#embed([memory], signal).then((vectors) => this.#withVector(memory, vectors.get(memory), options));
  }

  #validate(input: MemoryInput<object>, block: VectorBlock | SharedVectorBlocks | undefined): ValidMemory | Refusal {
    try {
      return this.#validator.validate(input, block);
    } catch (error) {
      return refusal(input, error);
    }
  }

  #needsVector(memory: ValidMemory): boolean {
    return this.#embedder !== null && memory.embedding === null && memory.document.content !== "";
  }

  async #embed(
    memories: readonly ValidMemory[],
    signal: AbortSignal,
  ): Promise<Map<ValidMemory, Float32Array | MnemosyncError>> {
    const vectors = new Map<ValidMemory, Float32Array | MnemosyncError>();
    if (this.#embedder === null || memories.length === 0) return vectors;
    try {
      const embedded = await this.#embedder.embed(
        memories.map((memory) => memory.document.content),
        signal,
      );
      memories.forEach((memory, index) => {
        const missing = new EmbeddingError(`the embedder gave ${embedded.length} vectors for ${memories.length} texts`);
        vectors.set(memory, embedded[index] ?? missing);
      });
    } catch (error) {
      for (const memory of memories) vectors.set(memory, ownError(error));
    }
    return vectors;
  }

  #withVector(memory: ValidMemory, vector: Float32Array | MnemosyncError | undefined, options: IntentOptions) {
    return vector instanceof MnemosyncError ? refusal(memory, vector) : this.#encode(memory, vector, options);
  }

  #encode(memory: ValidMemory, vector: Float32Array | undefined, options: IntentOptions): WriteIntent | Refusal {
    try {
      const embedded = vector === undefined ? undefined : { embedding: vector, model: this.#embedder?.model ?? "" };
      return {
        key: { namespace: memory.namespace, memoryId: memory.memoryId },
        memory: this.#validator.encode(memory, embedded),
        ...(embedded !== undefined &&
          options.idempotencyKey !== undefined && { requestedChecksum: this.#validator.encode(memory).checksum }),
        expectedVersion: this.#validator.checkExpectedVersion(options.expectedVersion),
        modifiedAt: options.modifiedAt ?? null,
      };
    } catch (error) {
      return refusal(memory, error);
    }
  }
}

function refusal(input: { namespace?: unknown; memoryId?: unknown } | null | undefined, error: unknown): Refusal {
  const text = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise);
  const key = { namespace: text(input?.namespace, "default"), memoryId: text(input?.memoryId, "") };
  return { key, error: ownError(error) };
}

function ownError(error: unknown): MnemosyncError {
  return error instanceof MnemosyncError ? error : new InternalError(String(error), { cause: error });
}
