/**
 * Goal: the check without the schema library accepts nothing that the schema refuses, and gives the same fields. Method: any
 * inputs, most of them nearly valid, and both answers compared; ordinary memories must be accepted without the schema.
 */

import { expect, test } from "vitest";
import { copyJsonMeasured } from "../../src/domain/json.ts";
import { plainMemory } from "../../src/domain/plain-memory.ts";
import { MemoryValidator, memorySchema } from "../../src/domain/schema.ts";
import fc from "../support/properties.ts";

const bounds = { contentBytesMax: 40, metadataBytesMax: 200, memoryIdBytesMax: 12 };
const schema = memorySchema(bounds);

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 14 }),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.constantFrom(
    "",
    "a\u0000b",
    "\ud800",
    "é".repeat(6),
    "é".repeat(7),
    "x".repeat(128),
    "x".repeat(129),
    "ü".repeat(128),
  ),
  fc.integer({ min: 0, max: 300 }).map((length) => "m".repeat(length)),
);
const odd = fc.oneof(
  fc.anything(),
  fc.constantFrom(null, undefined, Number.NaN, -0, 1, 1.0000001, [], {}, new Date(0)),
);
const almost = <T>(usual: fc.Arbitrary<T>) => fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: odd });

const mostly = (usual: string) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: anyText });

const fields = {
  namespace: almost(
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("default", "a.b-c_D9", "n".repeat(128)) },
      { weight: 1, arbitrary: fc.oneof(fc.constantFrom("", "a b", "é", "n".repeat(129)), anyText) },
    ),
  ),
  memoryId: almost(mostly("m1")),
  content: almost(mostly("said")),
  memoryType: almost(mostly("episodic")),
  importance: almost(fc.oneof(fc.double({ min: 0, max: 1 }), fc.double())),
  metadata: almost(fc.dictionary(fc.string(), fc.jsonValue())),
  embedding: almost(fc.oneof(fc.array(fc.double()), fc.float32Array(), fc.constant(null))),
  embeddingModel: almost(anyText),
  privacy: almost(fc.constantFrom("full", "redacted", "local_only", "public")),
  expiresAt: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(undefined, null) },
    { weight: 1, arbitrary: fc.oneof(fc.date(), fc.constant("2030-01-31T12:00:00Z"), odd) },
  ),
};
const nearlyMemory = fc.oneof(
  { weight: 10, arbitrary: fc.record(fields, { requiredKeys: ["memoryId", "content", "memoryType"] }) },
  { weight: 2, arbitrary: fc.record(fields, { requiredKeys: [] }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.record(fields, { requiredKeys: ["memoryId", "content", "memoryType"] }), anyText, fc.anything())
      .map(([memory, name, value]) => Object.assign(Object.create(null), memory, { [name]: value })),
  },
  { weight: 1, arbitrary: fc.constantFrom(null, undefined, [], "memory", 1, new Map(), new (class Memory {})()) },
);

test("the plain check accepts only what the schema accepts, and gives the same fields", () => {
  let accepted = 0;
  fc.assert(
    fc.property(nearlyMemory, (input) => {
      const plain = plainMemory(input, bounds);
      if (plain === null) return;
      accepted++;
      const parsed = schema.safeParse(input);
      expect(parsed.success).toBe(true);
      expect(plain).toEqual(parsed.data);
    }),
    { numRuns: 8_000 },
  );
  expect(accepted).toBeGreaterThan(400);
});

test("an ordinary memory is accepted without the schema", () => {
  const ordinary = fc.record(
    {
      namespace: fc.string({ unit: fc.constantFrom(..."abcXYZ019._-"), minLength: 1, maxLength: 128 }),
      memoryId: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 12 }),
      content: fc.string({ unit: "grapheme-ascii", maxLength: 40 }),
      memoryType: fc.constantFrom("episodic", "semantic"),
      importance: fc.double({ min: 0, max: 1, noNaN: true }),
      metadata: fc.dictionary(fc.string(), fc.jsonValue()),
      embedding: fc.oneof(fc.array(fc.double()), fc.float32Array(), fc.constant(null)),
      embeddingModel: fc.constantFrom("small", "large"),
      privacy: fc.constantFrom("full", "redacted", "local_only"),
      expiresAt: fc.constant(null),
    },
    { requiredKeys: ["memoryId", "content", "memoryType"], noNullPrototype: false },
  );
  fc.assert(
    fc.property(ordinary, (input) => {
      expect(plainMemory(input, bounds)).not.toBeNull();
    }),
  );
});

test("a key is checked as the schema checks it", () => {
  const validator = new MemoryValidator({}, bounds);
  const key = schema.pick({ namespace: true, memoryId: true });
  fc.assert(
    fc.property(fields.memoryId, fields.namespace, (memoryId, namespace) => {
      const parsed = key.safeParse({ namespace, memoryId });
      const validate = () => validator.validateKey(memoryId, namespace);
      if (parsed.success) expect(validate()).toEqual(parsed.data);
      else expect(validate).toThrow();
    }),
    { numRuns: 2_000 },
  );
});

test("the bound of a copy's bytes as JSON holds", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ stringUnit: "binary" })), (value) => {
      let measured: ReturnType<typeof copyJsonMeasured>;
      try {
        measured = copyJsonMeasured(value, "metadata", Number.POSITIVE_INFINITY);
      } catch {
        return; // Text that no store keeps.
      }
      expect(measured.bytesAtMost).toBeGreaterThanOrEqual(Buffer.byteLength(JSON.stringify(measured.copy)));
    }),
    { numRuns: 2_000 },
  );
});
