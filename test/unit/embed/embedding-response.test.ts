import { describe, expect, test } from "vitest";
import { parseEmbeddingResponse, UnusableResponse } from "../../../src/embed/embedding-response.ts";

const two = { count: 2, dimension: 2 };
const body = (...data: unknown[]) => JSON.stringify({ object: "list", data, usage: { total_tokens: 3 } });
const item = (index: unknown, embedding: unknown) => ({ object: "embedding", index, embedding });

test("vectors are put in the order of their index", () => {
  const vectors = parseEmbeddingResponse(body(item(1, [3, 4]), item(0, [1, 2])), two);
  expect(vectors).toEqual([new Float32Array([1, 2]), new Float32Array([3, 4])]);
});

describe("an unusable answer says what is wrong with it", () => {
  test.each<[string, string, string]>([
    ["no JSON", "<html>", "no JSON"],
    ["NaN, which JSON cannot hold", '{"data":[{"index":0,"embedding":[NaN,1]}]}', "no JSON"],
    ["another shape", '{"embeddings":[[1,2]]}', "no embeddings: data:"],
    ["null", "null", "no embeddings"],
    ["base64 in spite of the request", body(item(0, "AACAPw=="), item(1, [1, 2])), "data.0.embedding"],
    ["no index", body({ embedding: [1, 2] }, item(1, [1, 2])), "data.0.index"],
    ["too few", body(item(0, [1, 2])), "1 vectors for 2 texts"],
    ["too many", body(item(0, [1, 2]), item(1, [1, 2]), item(2, [1, 2])), "3 vectors for 2 texts"],
    ["an index twice", body(item(0, [1, 2]), item(0, [1, 2])), "index 0 twice"],
    ["an index beyond the end", body(item(0, [1, 2]), item(2, [1, 2])), "index 2 for 2 texts"],
    ["a wrong dimension", body(item(0, [1, 2]), item(1, [1, 2, 3])), "3 components where dimension 2"],
    ["a string for a number", body(item(0, [1, "2"]), item(1, [1, 2])), "component 1 of vector 0"],
    ["null for a number", body(item(0, [1, 2]), item(1, [null, 2])), "component 0 of vector 1"],
    [
      "a number beyond a double",
      '{"data":[{"index":0,"embedding":[1e999,1]},{"index":1,"embedding":[1,1]}]}',
      "finite",
    ],
    ["a number beyond a float32", body(item(0, [1e39, 2]), item(1, [1, 2])), "no finite float32"],
  ])("%s", (_, text, message) => {
    expect(() => parseEmbeddingResponse(text, two)).toThrow(UnusableResponse);
    expect(() => parseEmbeddingResponse(text, two)).toThrow(message);
  });
});
