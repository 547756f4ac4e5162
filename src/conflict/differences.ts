import type { JsonObject, JsonValue } from "../domain/json.ts";
import { jsonDifferences } from "../domain/json-differences.ts";
import type { MemoryDocument } from "../domain/memory.ts";

/** One side of a comparison; a candidate and a base are such. */
export interface ComparedSide {
  /** Null: deleted. */
  readonly document: MemoryDocument | null;
  readonly embedding: Float32Array | null;
}

/** A leaf in which two documents differ. */
export interface DocumentDifference {
  /** JSON pointer (RFC 6901), e.g. `/content` or `/metadata/tags/2`. */
  readonly path: string;
  /** Absent: this side has nothing at the path. */
  readonly left?: JsonValue;
  readonly right?: JsonValue;
}

/** How two vectors stand to each other. They are compared bit by bit, as their checksum is: zero and minus zero differ. */
export type EmbeddingDifference =
  | { readonly outcome: "none" }
  | { readonly outcome: "same"; readonly components: number }
  | {
      readonly outcome: "different";
      /** Components that differ, of how many. */
      readonly differing: number;
      readonly components: number;
      /** Largest difference of a component; null where one is not a finite number. */
      readonly differenceMax: number | null;
    }
  | { readonly outcome: "left_only" | "right_only"; readonly components: number }
  | { readonly outcome: "other_dimension"; readonly leftComponents: number; readonly rightComponents: number };

/** What differs between two sides of a conflict. Survives `JSON.stringify`. */
export interface SideDifferences {
  /** Nothing differs. */
  readonly same: boolean;
  readonly leftDeleted: boolean;
  readonly rightDeleted: boolean;
  /** In the order of their paths. Against a deleted side, every field of the other, whole. */
  readonly fields: readonly DocumentDifference[];
  readonly embedding: EmbeddingDifference;
}

/** Compares two sides field by field, metadata key by key, arrays place by place. */
export function differences(left: ComparedSide, right: ComparedSide): SideDifferences {
  const leftDeleted = left.document === null;
  const rightDeleted = right.document === null;
  const fields = jsonDifferences(asJson(left.document), asJson(right.document)).map(
    ({ path, before, after }): DocumentDifference => ({
      path: pointer(path),
      ...(before === undefined ? {} : { left: before }),
      ...(after === undefined ? {} : { right: after }),
    }),
  );
  const embedding = embeddingDifference(left.embedding, right.embedding);
  const sameEmbedding = embedding.outcome === "none" || embedding.outcome === "same";
  const same = fields.length === 0 && sameEmbedding;
  return { same, leftDeleted, rightDeleted, fields, embedding };
}

function embeddingDifference(left: Float32Array | null, right: Float32Array | null): EmbeddingDifference {
  if (left === null) return right === null ? { outcome: "none" } : { outcome: "right_only", components: right.length };
  if (right === null) return { outcome: "left_only", components: left.length };
  if (left.length !== right.length) {
    return { outcome: "other_dimension", leftComponents: left.length, rightComponents: right.length };
  }
  const components = left.length;
  const [leftBits, rightBits] = [bitsOf(left), bitsOf(right)];
  let differing = 0;
  let largest = 0;
  for (let index = 0; index < components; index++) {
    if (leftBits[index] === rightBits[index]) continue;
    differing++;
    // Math.max gives NaN once it has seen one, and a difference with infinity is infinite: neither is finite below.
    largest = Math.max(largest, Math.abs((left[index] as number) - (right[index] as number)));
  }
  if (differing === 0) return { outcome: "same", components };
  return { outcome: "different", differing, components, differenceMax: Number.isFinite(largest) ? largest : null };
}

function bitsOf(vector: Float32Array): Uint32Array {
  return new Uint32Array(vector.buffer, vector.byteOffset, vector.length);
}

/** A document's fields are JSON, which the type of its metadata says and that of an interface cannot. */
function asJson(document: MemoryDocument | null): JsonObject {
  return { ...document } as JsonObject;
}

function pointer(path: readonly (string | number)[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
