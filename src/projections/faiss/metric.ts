import { ValidationError } from "../../errors.ts";

/** How near two vectors are: by angle, by dot product, or by Euclidean distance. */
export type Metric = "cosine" | "ip" | "l2";

/** What every vector of an index has in common. */
export interface VectorShape {
  readonly dimension: number;
  readonly metric: Metric;
}

/**
 * The bytes that the index holds for `embedding`: under cosine the vector of length 1 in the same direction (sums in
 * double precision, each component rounded once, so that every machine gets the same bits), else the vector itself.
 * Publish, search and the comparison of stored bytes all go through here. Shares memory with its argument where it can.
 * @throws {ValidationError} A component is not finite, or cosine was asked for the direction of zeros.
 */
export function projectVector(metric: Metric, embedding: Float32Array): Float32Array {
  let squares = 0;
  for (let index = 0; index < embedding.length; index++) {
    const component = embedding[index]!;
    squares += component * component;
  }
  // A sum of squares of float32 can't overflow a double, so it is finite exactly when all components are.
  if (!Number.isFinite(squares)) throw new ValidationError("embedding", "contains a number that is not finite");
  if (metric !== "cosine") return embedding;
  if (squares === 0) throw new ValidationError("embedding", "is all zeros, which has no direction under cosine");
  const length = Math.sqrt(squares);
  const unit = new Float32Array(embedding.length);
  for (let index = 0; index < unit.length; index++) unit[index] = Math.fround(embedding[index]! / length);
  return unit;
}

/** The projected vector, after a check of its dimension. @throws {ValidationError} */
export function projectChecked(shape: VectorShape, embedding: Float32Array): Float32Array {
  if (embedding.length !== shape.dimension) {
    throw new ValidationError(
      "embedding",
      `has ${embedding.length} numbers, and the index holds vectors of ${shape.dimension}`,
    );
  }
  return projectVector(shape.metric, embedding);
}

/**
 * The score of a distance that FAISS answered: cosine similarity in [-1, 1], the dot product, or minus the Euclidean
 * distance. Higher is nearer under each of them.
 */
export function scoreOf(metric: Metric, distance: number): number {
  switch (metric) {
    case "cosine":
      // Rounding can carry the product of two unit vectors just beyond 1.
      return Math.max(-1, Math.min(1, distance));
    case "ip":
      return distance;
    case "l2":
      // FAISS answers the square, for many queries at once by a formula that can dip below zero.
      return distance <= 0 ? 0 : -Math.sqrt(distance);
  }
}
