import * as z from "zod";
import { lazily } from "../domain/lazily.ts";

/** The part of the answer that is read; endpoints add fields of their own. The components are checked below, once. */
const responseSchema = lazily(() =>
  z.object({
    data: z.array(z.object({ index: z.int().nonnegative(), embedding: z.array(z.unknown()) })),
  }),
);

/** The endpoint answered with success and the answer breaks the contract. Asking again would give the same. */
export class UnusableResponse extends Error {}

/**
 * The vectors in the order of the texts that were sent: the endpoint may list them in any order and says with `index`
 * which is which.
 * @throws {UnusableResponse} Not JSON, not the expected shape, not exactly one vector a text, a wrong dimension, or a
 *   component that is no finite float32.
 */
export function parseEmbeddingResponse(body: string, expected: { count: number; dimension: number }): Float32Array[] {
  const vectors: (Float32Array | undefined)[] = new Array(expected.count).fill(undefined);
  const { data } = parsed(body);
  if (data.length !== expected.count) {
    throw new UnusableResponse(`${data.length} vectors for ${expected.count} texts`);
  }
  for (const { index, embedding } of data) {
    if (index >= expected.count) throw new UnusableResponse(`index ${index} for ${expected.count} texts`);
    if (vectors[index] !== undefined) throw new UnusableResponse(`index ${index} twice`);
    if (embedding.length !== expected.dimension) {
      throw new UnusableResponse(
        `a vector of ${embedding.length} components where dimension ${expected.dimension} is set`,
      );
    }
    vectors[index] = toFloat32(embedding, index);
  }
  return vectors as Float32Array[]; // As many entries as texts and no index twice: every one is filled.
}

function parsed(body: string): z.infer<ReturnType<typeof responseSchema>> {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw new UnusableResponse("no JSON"); // Without the cause, which quotes the body: it may repeat the request.
  }
  const result = responseSchema().safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new UnusableResponse(`no embeddings: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "unknown"}`);
}

function toFloat32(embedding: readonly unknown[], index: number): Float32Array {
  const vector = new Float32Array(embedding.length);
  for (let component = 0; component < vector.length; component++) {
    const value = embedding[component];
    // Math.fround: 1e39 is a finite number in JSON and infinite as a float32.
    if (typeof value !== "number" || !Number.isFinite(Math.fround(value))) {
      throw new UnusableResponse(`component ${component} of vector ${index} is no finite float32`);
    }
    vector[component] = value;
  }
  return vector;
}
