import { expect, test } from "vitest";
import { HashingEmbedder } from "../../src/embed/hashing-embedder.ts";
import fc from "../support/properties.ts";
import { norm, one } from "../unit/embed/support.ts";

const NEVER = new AbortController().signal;

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200, size: "max" }), // Any code point, all planes.
  fc.string({ unit: "grapheme", maxLength: 200, size: "max" }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200, size: "max" })
    .map((units) => String.fromCharCode(...units)),
);
const anyDimension = fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 2048 }));

test("any string in any dimension has a finite vector of length 1, the same each time", async () => {
  await fc.assert(
    fc.asyncProperty(anyText, anyDimension, async (text, dimension) => {
      const embedder = new HashingEmbedder({ dimension });
      const vector = await one(embedder, text);
      expect(vector).toHaveLength(dimension);
      expect(vector.every(Number.isFinite)).toBe(true);
      expect(norm(vector)).toBeCloseTo(1, 5);
      expect(await one(embedder, text)).toEqual(vector);
      expect(await one(new HashingEmbedder({ dimension }), text)).toEqual(vector);
    }),
    { numRuns: 500 },
  );
});

test("a batch gives what its texts give one by one", async () => {
  const embedder = new HashingEmbedder({ dimension: 32 });
  await fc.assert(
    fc.asyncProperty(fc.array(anyText, { maxLength: 10 }), async (texts) => {
      const vectors = await embedder.embed(texts, NEVER);
      expect(vectors).toHaveLength(texts.length);
      for (const [index, text] of texts.entries()) expect(vectors[index]).toEqual(await one(embedder, text));
    }),
  );
});
