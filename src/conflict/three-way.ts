import { embeddingBytes } from "../domain/checksum.ts";
import { getOwn, isJsonObject, type JsonObject, type JsonValue, sameJson, setOwn } from "../domain/json.ts";
import { type MemoryDocument, PRIVACIES } from "../domain/memory.ts";

/** A memory that is not deleted, embedding included. */
export interface Content {
  readonly document: MemoryDocument;
  readonly embedding: Float32Array | null;
}

/** A merged memory, with the side that each field comes from. */
export interface MergedContent<Side extends Content> extends Content {
  /** Absent: the sides agree on the field, or (metadata) it was merged key by key. */
  readonly sources: Readonly<Partial<Record<keyof MemoryDocument | "embedding", Side>>>;
}

/**
 * Merges several sides that descend from `base`: each field has the value of the newest side that changed it. Without a
 * base every side counts as changed, so each field comes from the newest side, and metadata keys of all sides are kept.
 * @param sides newest first, at least one.
 */
export function mergeContents<Side extends Content>(
  base: Content | null,
  sides: readonly [Side, ...Side[]],
): MergedContent<Side> {
  const winner = (field: keyof MemoryDocument): Side =>
    sides.find((side) => base === null || !sameJson(side.document[field], base.document[field])) ?? sides[0];
  const content = winner("content");
  const memoryType = winner("memoryType");
  const importance = winner("importance");
  const privacy = strictest(base, sides);
  const expiresAt = winner("expiresAt");
  const embedding = embeddingSource(base, sides, content.document.content);
  const document: MemoryDocument = {
    content: content.document.content,
    memoryType: memoryType.document.memoryType,
    importance: importance.document.importance,
    metadata: mergeObjects(
      base?.document.metadata ?? null,
      sides.map((side) => side.document.metadata),
    ),
    privacy: privacy.document.privacy,
  };
  if (embedding.document.embeddingModel !== undefined) document.embeddingModel = embedding.document.embeddingModel;
  if (expiresAt.document.expiresAt !== undefined) document.expiresAt = expiresAt.document.expiresAt;
  const sources: Partial<Record<keyof MemoryDocument | "embedding", Side>> = {};
  for (const [field, side] of Object.entries({ content, memoryType, importance, privacy, expiresAt })) {
    const name = field as keyof MemoryDocument;
    if (sides.some((other) => other.document[name] !== side.document[name])) sources[name] = side;
  }
  if (sides.some((other) => !sameEmbedding(other, embedding))) sources.embedding = embedding;
  return { document, embedding: embedding.embedding, sources };
}

/** Whether two sides are equal, bit by bit. */
export function sameContent(a: Content, b: Content): boolean {
  return sameBits(a.embedding, b.embedding) && sameJson({ ...a.document }, { ...b.document });
}

/** Whether two vectors have the same bytes, as in the checksum: zero and minus zero differ. */
export function sameBits(a: Float32Array | null, b: Float32Array | null): boolean {
  if (a === null || b === null) return a === b;
  return embeddingBytes(a).equals(embeddingBytes(b));
}

/**
 * The side whose embedding fits the winning content: a side with exactly that content. Of several, the newest that changed
 * its embedding; a removed embedding loses against a vector.
 */
function embeddingSource<Side extends Content>(
  base: Content | null,
  sides: readonly [Side, ...Side[]],
  content: string,
): Side {
  const fitting = sides.filter((side) => side.document.content === content);
  const changed = base === null ? fitting : fitting.filter((side) => !sameEmbedding(side, base));
  return changed.find((side) => side.embedding !== null) ?? changed[0] ?? fitting[0] ?? sides[0];
}

function sameEmbedding(a: Content, b: Content): boolean {
  return a.document.embeddingModel === b.document.embeddingModel && sameBits(a.embedding, b.embedding);
}

/**
 * The strictest of the sides that changed `privacy`, the newest of equals. Not simply the newest: the merged memory holds
 * content of every side, and one side's "local_only" content must not leave under another side's "full".
 */
function strictest<Side extends Content>(base: Content | null, sides: readonly [Side, ...Side[]]): Side {
  const changed = sides.filter((side) => side.document.privacy !== base?.document.privacy);
  const rank = (side: Side): number => PRIVACIES.indexOf(side.document.privacy);
  return (
    changed.reduce<Side | null>((found, side) => (found === null || rank(side) > rank(found) ? side : found), null) ??
    sides[0]
  );
}

/** Merges key by key. @param base null where the base has no object there. @param sides newest first. */
function mergeObjects(base: JsonObject | null, sides: readonly JsonObject[]): JsonObject {
  const merged: JsonObject = {};
  const keys = new Set([...Object.keys(base ?? {}), ...sides.flatMap((side) => Object.keys(side))]);
  for (const key of [...keys].sort()) {
    const value = mergeValues(
      base === null ? undefined : getOwn(base, key),
      sides.map((side) => getOwn(side, key)),
    );
    if (value !== undefined) setOwn(merged, key, value);
  }
  return merged;
}

/** Undefined means absent: a removal wins only where no side changed the value. */
function mergeValues(base: JsonValue | undefined, sides: readonly (JsonValue | undefined)[]): JsonValue | undefined {
  const changed = sides.filter((value) => value !== undefined && !sameJson(value, base));
  const newest = changed[0];
  if (newest === undefined) return sides.includes(undefined) ? undefined : base;
  if (!isJsonObject(newest)) return newest;
  return mergeObjects(isJsonObject(base) ? base : null, changed.filter(isJsonObject));
}
