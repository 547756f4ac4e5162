import { createHash } from "node:crypto";
import { shortened, ValidationError } from "../domain/errors.ts";
import { copyJson, isObject, type JsonObject } from "../domain/json.ts";
import type { Memory, Privacy } from "../domain/memory.ts";
import type { MemoryInput } from "../domain/memory-input.ts";
import { mergePatch } from "../domain/merge-patch.ts";

/** A change of metadata by RFC 7396: null removes an entry, an object changes one entry by entry. */
export type MetadataPatch<Whole> = Whole extends readonly unknown[]
  ? Whole
  : Whole extends object
    ? { readonly [Key in keyof Whole]?: MetadataPatch<Whole[Key]> | null | undefined }
    : Whole;

/** Changes of a memory. A field that is absent or `undefined` stays as it is. Bounds are those of `MemoryFields`. */
export interface MemoryPatch<Metadata extends object = JsonObject> {
  content?: string | undefined;
  memoryType?: string | undefined;
  importance?: number | undefined;
  /** Null removes all metadata. */
  metadata?: MetadataPatch<Metadata> | null | undefined;
  /** A new vector; null drops it. */
  embedding?: readonly number[] | Float32Array | null | undefined;
  embeddingModel?: string | null | undefined;
  privacy?: Privacy | undefined;
  /** Null: never. */
  expiresAt?: Date | string | null | undefined;
}

/** What becomes of the vector of the old content. */
export const EMBEDDING_CHOICES = ["keep", "drop"] as const;
export type EmbeddingChoice = (typeof EMBEDDING_CHOICES)[number];

/** A memory as a patch leaves it. */
export interface Patched {
  readonly input: MemoryInput<object>;
  /** Whether an embedder makes its vector. */
  readonly embeds: boolean;
}

const FIELDS: readonly string[] = [
  ...["content", "memoryType", "importance", "metadata", "embedding", "embeddingModel", "privacy", "expiresAt"],
];
/** Fields that every memory has. */
const REQUIRED = ["content", "memoryType", "importance", "privacy"] as const;

/**
 * A copy of a patch that later changes by the caller don't reach. Values are checked with the memory as a whole, when they are
 * written. @throws {ValidationError} for a field that is unknown, or that no memory can lack.
 */
export function checkPatch(changes: unknown, choice: unknown): MemoryPatch {
  if (!isObject(changes)) throw new ValidationError("", "a patch must be an object of the fields that change");
  for (const name of Object.keys(changes)) {
    if (FIELDS.includes(name)) continue;
    const known = `a patch has ${FIELDS.join(", ")}`;
    throw new ValidationError(name, `unknown field ${JSON.stringify(shortened(name, 80))}; ${known}`);
  }
  for (const name of REQUIRED) {
    if (changes[name] === null)
      throw new ValidationError(name, "cannot be removed: give another value, or leave it out");
  }
  if (choice !== undefined && !EMBEDDING_CHOICES.some((known) => known === choice)) {
    throw new ValidationError("embedding", `${JSON.stringify(choice)} is no choice: expected "keep" or "drop"`);
  }
  const contradicts = changes.embedding === null ? choice === "keep" : choice !== undefined;
  if (changes.embedding !== undefined && contradicts) {
    throw new ValidationError(
      "embedding",
      `a new value of the embedding is given, and the choice to ${choice} the old one`,
    );
  }
  const { metadata } = changes;
  return { ...changes, ...(isObject(metadata) && { metadata: copyJson(metadata, "metadata") as JsonObject }) };
}

/** What the node that writes a patch can do. */
export interface PatchingNode {
  /** Whether an embedder is set up. */
  readonly canEmbed: boolean;
  /** Whether its stores take the vector that the memory has: not while memories are embedded anew by another model. */
  readonly keepsVector: boolean;
}

/**
 * The memory with the changes.
 * @throws {ValidationError} The content changes, its vector would not fit it any more, and there is neither another one nor a
 * choice.
 */
export function patchedMemory(
  current: Memory,
  changes: MemoryPatch,
  choice: EmbeddingChoice | undefined,
  node: PatchingNode,
): Patched {
  const { namespace, memoryId, content, memoryType, importance, metadata, privacy, expiresAt = null } = current;
  const { embedding: _, embeddingModel: __, ...others } = changes;
  const { embeds, ...vector } = patchedVector(current, changes, choice, node);
  const named = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  const fields = { content, memoryType, importance, privacy, expiresAt, ...named };
  const input = { namespace, memoryId, ...fields, metadata: patchedMetadata(metadata, changes.metadata), ...vector };
  return { input: input as MemoryInput<object>, embeds };
}

/** What is no object is refused when the memory is checked as a whole. */
function patchedMetadata(metadata: JsonObject, change: MemoryPatch["metadata"]): unknown {
  if (change === undefined) return metadata;
  if (change === null) return {};
  return isObject(change) ? mergePatch(metadata, change as JsonObject) : change;
}

function patchedVector(
  current: Memory,
  changes: MemoryPatch,
  choice: EmbeddingChoice | undefined,
  { canEmbed, keepsVector }: PatchingNode,
): Pick<MemoryInput, "embedding" | "embeddingModel"> & { readonly embeds: boolean } {
  const model = changes.embeddingModel === undefined ? current.embeddingModel : (changes.embeddingModel ?? undefined);
  if (changes.embedding != null) return { embedding: changes.embedding, embeddingModel: model, embeds: false };
  if (changes.embedding === null || choice === "drop") {
    return { embedding: null, embeddingModel: changes.embeddingModel ?? undefined, embeds: false };
  }
  const content = changes.content ?? current.content;
  if (content === current.content && keepsVector === false && canEmbed && content !== "") {
    return { embedding: null, embeddingModel: undefined, embeds: true };
  }
  if (content === current.content || choice === "keep") {
    return { embedding: current.embedding, embeddingModel: model, embeds: false };
  }
  if (canEmbed && content !== "") return { embedding: null, embeddingModel: undefined, embeds: true };
  if (current.embedding === null) return { embedding: null, embeddingModel: model, embeds: false };
  throw new ValidationError(
    "embedding",
    "the content changes, the vector was made of the old content, and no embedder makes another one: give a new embedding, " +
      'or choose embedding "keep" (searches go by the old vector) or "drop" (no search finds the memory)',
  );
}

/** Differs between patches that ask for different changes, whatever memory they meet. */
export function patchFingerprint(changes: MemoryPatch, choice: EmbeddingChoice | undefined): string {
  const { embedding, expiresAt } = changes;
  const vector = embedding == null ? embedding : Array.from(Float32Array.from(embedding));
  const instant = expiresAt instanceof Date ? expiresAt.toISOString() : expiresAt;
  const named = { ...changes, embedding: vector, expiresAt: instant, choice };
  const text = JSON.stringify(Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash("sha256").update("mnemosync patch 1\n").update(text).digest("hex");
}
