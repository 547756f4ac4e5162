import * as z from "zod";
import { assertWhole } from "./assert-whole.ts";
import { shortened, ValidationError } from "./errors.ts";
import { foreignReason } from "./foreign.ts";
import { copyJsonMeasured, isObject, type JsonObject, textFlaw } from "./json.ts";
import { DEFAULT_NAMESPACE, type MemoryKey } from "./keys.ts";
import { lazily } from "./lazily.ts";
import { type EncodedMemory, encodeMemory, type Memory, type MemoryDocument } from "./memory.ts";
import type { MemoryInput } from "./memory-input.ts";
import {
  type GivenVector,
  isText,
  MEMORY_TYPE_BYTES_MAX,
  type MemoryFields,
  MODEL_BYTES_MAX,
  NAMESPACE_PATTERN,
  plainMemory,
} from "./plain-memory.ts";
import { type Fits, type MemoryBounds, memorySettings, ONCE } from "./settings.ts";
import type { SharedVectorBlocks, VectorBlock } from "./vector-block.ts";
import { isCounter, VERSION_MAX } from "./version-vector.ts";

/** What the vector index takes. Absent parts are not checked. */
export interface IndexShape {
  readonly dimension?: number;
  /** The one model whose vectors the index holds. */
  readonly model?: string | null;
  /** Under cosine a vector of zeros has no direction and is refused. */
  readonly metric?: "cosine" | "ip" | "l2";
}

export { NAMESPACE_PATTERN };
export const NAMESPACE_EXPECTED = "expected 1 to 128 of the characters A-Z a-z 0-9 . _ -";

/** Numbers of a vector where no index says how many it takes. No store of vectors goes beyond. */
const VECTOR_LENGTH_MAX = 65_536;

const text = (bytesMax: number, bytesMin = 0) =>
  z.string().superRefine((value, context) => {
    const flaw = textFlaw(value);
    if (flaw !== null) context.addIssue({ code: "custom", message: flaw });
    const bytes = Buffer.byteLength(value, "utf8");
    if (bytes > bytesMax)
      context.addIssue({ code: "custom", message: `${bytes} bytes, and at most ${bytesMax} are allowed` });
    if (bytes < bytesMin) context.addIssue({ code: "custom", message: "must not be empty" });
  });

const VECTOR_EXPECTED = "expected an array of numbers or a Float32Array";
const INSTANT_EXPECTED = "expected a Date or an ISO-8601 time with an offset or Z, e.g. 2030-01-31T12:00:00.000Z";

const instant = z.union(
  [z.date({ error: INSTANT_EXPECTED }), z.iso.datetime({ offset: true, error: INSTANT_EXPECTED })],
  {
    error: INSTANT_EXPECTED,
  },
);

/** The memory's shape, with defaults. `plainMemory` decides alike on ordinary memories. */
export function memorySchema(bounds: MemoryBounds) {
  return z.strictObject({
    namespace: z.string().regex(NAMESPACE_PATTERN, NAMESPACE_EXPECTED).default(DEFAULT_NAMESPACE),
    memoryId: text(bounds.memoryIdBytesMax, 1),
    content: text(bounds.contentBytesMax),
    memoryType: text(MEMORY_TYPE_BYTES_MAX, 1),
    importance: z.number().min(0).max(1).default(0.5),
    metadata: z.custom<Record<string, unknown>>(isObject, "expected a JSON object").default({}),
    embedding: z.custom<GivenVector>(isList, VECTOR_EXPECTED).nullish(),
    embeddingModel: text(MODEL_BYTES_MAX, 1).optional(),
    privacy: z.enum(["full", "redacted", "local_only"]).default("full"),
    expiresAt: instant.nullish(),
  });
}

type MemorySchema = ReturnType<typeof memorySchema>;

function keySchema(schema: MemorySchema) {
  return schema.pick({ namespace: true, memoryId: true });
}

type Given = z.input<MemorySchema>;
/** Does not compile once the schema's fields differ from the documented ones, in name, type or being required. */
true satisfies Fits<Given, MemoryInput<Record<string, unknown>>>;
true satisfies Fits<MemoryInput<Record<string, unknown>>, Given>;

/** A memory whose embedding may still have to be computed. */
export interface ValidMemory extends MemoryKey {
  readonly document: MemoryDocument;
  readonly embedding: Float32Array | null;
}

/** Where the copy of a vector may go. */
type VectorMemory = Pick<VectorBlock | SharedVectorBlocks, "copy">;

/** Checks what callers give and turns it into the form that is stored. One per synchronizer. */
export class MemoryValidator {
  /** For what the checks by hand refuse, or leave undecided. */
  readonly #schema: () => MemorySchema;
  readonly #keySchema: () => ReturnType<typeof keySchema>;
  readonly #bounds: MemoryBounds;
  readonly #index: IndexShape;

  constructor(index: IndexShape = {}, bounds: MemoryBounds = memorySettings.parse({}, ONCE)) {
    this.#bounds = bounds;
    this.#schema = lazily(() => memorySchema(bounds));
    this.#keySchema = lazily(() => keySchema(this.#schema()));
    this.#index = index;
  }

  /**
   * @param block where the copy of the vector goes.
   * @throws {ValidationError} naming the first offending field, what was found and what was expected.
   */
  validate(input: unknown, block?: VectorMemory): ValidMemory {
    const value = plainMemory(input, this.#bounds) ?? this.#parse(input);
    const metadata = this.#copyMetadata(value.metadata);
    // In the order of canonical JSON, which is then what the engine's own JSON writes.
    const document: MemoryDocument = {
      content: value.content,
      ...(value.embeddingModel !== undefined && { embeddingModel: this.#checkModel(value.embeddingModel) }),
      ...(value.expiresAt != null && { expiresAt: isoInstant(value.expiresAt) }),
      importance: value.importance === 0 ? 0 : value.importance,
      memoryType: value.memoryType,
      metadata,
      privacy: value.privacy,
    };
    const embedding = value.embedding == null ? null : this.checkEmbedding(value.embedding, "embedding", block);
    return { namespace: value.namespace, memoryId: value.memoryId, document, embedding };
  }

  #parse(input: unknown): MemoryFields {
    const parsed = this.#schema().safeParse(input);
    if (!parsed.success) throw validationError(parsed.error, input);
    return parsed.data;
  }

  #copyMetadata(given: object): JsonObject {
    const { metadataBytesMax } = this.#bounds;
    const { copy, bytesAtMost } = copyJsonMeasured(given, "metadata", metadataBytesMax);
    if (bytesAtMost <= metadataBytesMax) return copy as JsonObject;
    const bytes = Buffer.byteLength(JSON.stringify(copy), "utf8");
    if (bytes <= metadataBytesMax) return copy as JsonObject;
    throw new ValidationError("metadata", `${bytes} bytes as JSON, and at most ${metadataBytesMax} are allowed`);
  }

  /** A checked key. @throws {ValidationError} */
  validateKey(memoryId: unknown, namespace: unknown = DEFAULT_NAMESPACE): MemoryKey {
    const isPlain = typeof namespace === "string" && NAMESPACE_PATTERN.test(namespace);
    if (isPlain && isText(memoryId, 1, this.#bounds.memoryIdBytesMax)) return { namespace, memoryId };
    const parsed = this.#keySchema().safeParse({ namespace, memoryId });
    if (!parsed.success) throw validationError(parsed.error, { namespace, memoryId });
    return parsed.data;
  }

  /** A version to compare with: a whole number, 0 for a memory that must not exist. @throws {ValidationError} */
  checkExpectedVersion(value: number | undefined): number | null {
    if (value === undefined) return null;
    if (isCounter(value)) return value;
    throw new ValidationError("expectedVersion", `is ${value}, and must be a whole number from 0 to ${VERSION_MAX}`);
  }

  /** A whole number from 1 to `max`. @throws {ValidationError} */
  checkCount(value: number, path: string, max: number): void {
    assertWhole(path, value, 1, max);
  }

  /** A copy of `values` as float32, checked against the index. @throws {ValidationError} */
  checkEmbedding(values: readonly number[] | Float32Array, path = "embedding", block?: VectorMemory): Float32Array {
    const { dimension, metric } = this.#index;
    if (dimension !== undefined && values.length !== dimension) {
      throw new ValidationError(path, `has ${values.length} numbers, and the index holds vectors of ${dimension}`);
    }
    if (values.length === 0) throw new ValidationError(path, "is empty: leave it out, or give a vector");
    if (values.length > VECTOR_LENGTH_MAX) {
      throw new ValidationError(path, `has ${values.length} numbers, and at most ${VECTOR_LENGTH_MAX} are allowed`);
    }
    // After the length, so that a list of the wrong length is not looked at.
    if (Array.isArray(values) && !values.every((value) => typeof value === "number")) {
      throw new ValidationError(path, VECTOR_EXPECTED);
    }
    const vector = block?.copy(values) ?? new Float32Array(values);
    let squares = 0;
    for (let index = 0; index < vector.length; index++) {
      const component = vector[index] as number;
      squares += component * component;
    }
    // The square of a float32 is far from the largest double, so that their sum is finite where all of them are.
    if (!Number.isFinite(squares)) {
      const index = vector.findIndex((component) => !Number.isFinite(component));
      throw new ValidationError(`${path}[${index}]`, `${String(values[index])} is not a finite float32`);
    }
    if (metric === "cosine" && squares === 0) {
      throw new ValidationError(path, "is all zeros, which has no direction under the cosine metric");
    }
    return vector;
  }

  /** Whether the index takes the vector of a memory that is stored: not one of another model or dimension. */
  takesVector({ embedding, embeddingModel }: Pick<Memory, "embedding" | "embeddingModel">): boolean {
    return foreignReason(this.#index, { embedding, embeddingModel: embeddingModel ?? null }) === null;
  }

  /** The stored form. With `embedded`, a vector that was computed from the content by the named model. */
  encode(memory: ValidMemory, embedded?: { embedding: Float32Array; model: string }): EncodedMemory {
    if (embedded === undefined) return encodeMemory(memory, memory.document, memory.embedding);
    const { content, embeddingModel: _replaced, ...others } = memory.document;
    const document = { content, embeddingModel: this.#checkModel(embedded.model), ...others };
    return encodeMemory(memory, document, this.checkEmbedding(embedded.embedding));
  }

  #checkModel(model: string): string {
    if (this.#index.model != null && model !== this.#index.model) {
      throw new ValidationError(
        "embeddingModel",
        `${JSON.stringify(shortened(model, NAME_LENGTH_MAX))}, and the index holds vectors of ${JSON.stringify(this.#index.model)}: their distances mean nothing together`,
      );
    }
    return model;
  }
}

/** `checkEmbedding` looks at the elements. */
function isList(value: unknown): boolean {
  return value instanceof Float32Array || Array.isArray(value);
}

function isoInstant(value: Date | string): string {
  const date = new Date(value);
  const year = date.getUTCFullYear();
  // Beyond these years ISO-8601 needs a sign and more digits, which Postgres reads differently.
  if (!(year >= 1970 && year <= 9999))
    throw new ValidationError("expiresAt", `${String(value)} is not between 1970 and 9999`);
  return date.toISOString();
}

/** Unknown fields that a message names, and characters of each name. */
const NAMES_SHOWN_MAX = 3;
const NAME_LENGTH_MAX = 80;

/** Without zod's error as the cause: that one repeats every name and value whole, and outcomes keep their errors. */
function validationError(error: z.ZodError, input: unknown): ValidationError {
  const issue = error.issues[0];
  if (issue === undefined) return new ValidationError("", "is not a memory");
  if (issue.code === "unrecognized_keys") return unknownFields(issue.keys);
  const path = issue.path.map(String).join(".");
  const message = issue.message.replace(/^: /, "");
  return new ValidationError(path, `${message}${excerpt(input, issue.path)}`);
}

function unknownFields(names: readonly string[]): ValidationError {
  const shown = names.slice(0, NAMES_SHOWN_MAX).map((name) => JSON.stringify(shortened(name, NAME_LENGTH_MAX)));
  const others = names.length > shown.length ? ` and ${names.length - shown.length} more` : "";
  return new ValidationError(
    names[0] ?? "",
    `unknown field ${shown.join(", ")}${others}; a memory has namespace, memoryId, content, memoryType, importance, ` +
      "metadata, embedding, embeddingModel, privacy, expiresAt (put your own fields into metadata)",
  );
}

/** The value at `path`, for the message; nothing for a value that is too long or too secret to repeat. */
function excerpt(input: unknown, path: readonly PropertyKey[]): string {
  let value = input;
  for (const part of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[part];
  if (path[0] === "content" || value === null || typeof value === "object") return "";
  if (value === undefined) return " (nothing was given)";
  if (typeof value === "string" && value.length > EXCERPT_LENGTH_MAX) return "";
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > EXCERPT_LENGTH_MAX ? "" : ` (found ${shown})`;
}

const EXCERPT_LENGTH_MAX = 60;
