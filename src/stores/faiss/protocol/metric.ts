import { ValidationError } from "../../../domain/errors.ts";

/** The similarity of two vectors: by angle, dot product, or Euclidean distance. */
export type Metric = "cosine" | "ip" | "l2";

/** The shape that all vectors of an index share. */
export interface VectorShape {
  readonly dimension: number;
  readonly metric: Metric;
}

/**
 * The vector that the index stores for `embedding`: under cosine the normalized vector (length 1; summed in double
 * precision in a fixed order, so that every machine gets the same bits), otherwise the vector itself. Publish, search and
 * the comparison of stored bytes all use it. The result may share memory with its argument.
 * @throws {ValidationError} A component is not finite, or the vector is all zeros under cosine.
 */
export function projectVector(metric: Metric, embedding: Float32Array): Float32Array {
  const length = checkedLength(metric, embedding);
  if (metric !== "cosine") return embedding;
  const unit = new Float32Array(embedding.length);
  scaleInto(embedding, length, unit, 0);
  return unit;
}

/** Checks the dimension and writes the projected vector to `target` at `offset`. @throws {ValidationError} */
export function projectInto(shape: VectorShape, embedding: Float32Array, target: Float32Array, offset: number): void {
  checkDimension(shape, embedding);
  const length = checkedLength(shape.metric, embedding);
  if (shape.metric === "cosine") scaleInto(embedding, length, target, offset);
  else target.set(embedding, offset);
}

/** The vector's length under cosine; meaningless under other metrics. */
function checkedLength(metric: Metric, embedding: Float32Array): number {
  // Four independent sums: a single sum is bound by the latency of floating-point addition.
  let first = 0;
  let second = 0;
  let third = 0;
  let fourth = 0;
  const whole = embedding.length - (embedding.length % 4);
  for (let index = 0; index < whole; index += 4) {
    first += embedding[index]! * embedding[index]!;
    second += embedding[index + 1]! * embedding[index + 1]!;
    third += embedding[index + 2]! * embedding[index + 2]!;
    fourth += embedding[index + 3]! * embedding[index + 3]!;
  }
  for (let index = whole; index < embedding.length; index++) first += embedding[index]! * embedding[index]!;
  const squares = first + second + (third + fourth);
  // A sum of float32 squares cannot overflow a double, so it is finite exactly when all components are.
  if (!Number.isFinite(squares)) throw new ValidationError("embedding", "contains a number that is not finite");
  if (metric === "cosine" && squares === 0) {
    throw new ValidationError("embedding", "is all zeros, which has no direction under cosine");
  }
  return Math.sqrt(squares);
}

/** Multiplies by the reciprocal in double precision: half the time of a division, and an extra rounding far below float32. */
function scaleInto(source: Float32Array, length: number, target: Float32Array, offset: number): void {
  const scale = 1 / length;
  for (let index = 0; index < source.length; index++) target[offset + index] = source[index]! * scale;
}

/** The projected vector, after a check of its dimension. @throws {ValidationError} */
export function projectChecked(shape: VectorShape, embedding: Float32Array): Float32Array {
  checkDimension(shape, embedding);
  return projectVector(shape.metric, embedding);
}

function checkDimension({ dimension }: VectorShape, embedding: Float32Array): void {
  if (embedding.length === dimension) return;
  throw new ValidationError(
    "embedding",
    `has ${embedding.length} numbers, and the index holds vectors of ${dimension}`,
  );
}

/** The score of the stored vector at `offset` of `rows`. @param query projected in the same way. */
export function exactScore(metric: Metric, query: Float32Array, rows: Float32Array, offset: number): number {
  let sum = 0;
  if (metric === "l2") {
    for (let index = 0; index < query.length; index++) {
      const difference = query[index]! - rows[offset + index]!;
      sum += difference * difference;
    }
  } else {
    for (let index = 0; index < query.length; index++) sum += query[index]! * rows[offset + index]!;
  }
  return scoreOf(metric, sum);
}

/**
 * Converts a distance from FAISS to a score: cosine similarity in [-1, 1], the dot product, or minus the Euclidean
 * distance. Higher is nearer under every metric.
 */
export function scoreOf(metric: Metric, distance: number): number {
  switch (metric) {
    case "cosine":
      // Rounding can push the product of two unit vectors slightly beyond 1.
      return Math.max(-1, Math.min(1, distance));
    case "ip":
      return distance;
    case "l2":
      // FAISS returns the squared distance; its formula for query batches can give slightly negative values.
      return distance <= 0 ? 0 : -Math.sqrt(distance);
  }
}
