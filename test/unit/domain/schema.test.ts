import { describe, expect, test } from "vitest";
import { ValidationError } from "../../../src/domain/errors.ts";
import { MemoryValidator } from "../../../src/domain/schema.ts";

const validator = new MemoryValidator({ dimension: 4, metric: "cosine", model: "model-a" });
const valid = { memoryId: "m1", content: "text", memoryType: "note" };

function failure(fields: object, by = validator): ValidationError {
  try {
    by.validate({ ...valid, ...fields });
  } catch (error) {
    expect(error).toBeInstanceOf(ValidationError);
    return error as ValidationError;
  }
  throw new Error(`passed: ${JSON.stringify(fields)}`);
}

const cyclic: { self?: unknown } = {};
cyclic.self = cyclic;
const nested = (levels: number): object => (levels === 0 ? {} : { a: nested(levels - 1) });
class Custom {
  field = 1;
}

const RULES: [what: string, fields: object, path: string | RegExp, message: RegExp][] = [
  // Text
  ["NUL in content", { content: "a\u0000" }, "content", /contains a NUL character at index 1/],
  ["NUL in the id", { memoryId: "\u0000" }, "memoryId", /NUL character at index 0/],
  ["NUL in the type", { memoryType: "a\u0000" }, "memoryType", /NUL/],
  ["NUL in a metadata key", { metadata: { "a\u0000b": 1 } }, /^key of metadata\.a/, /NUL/],
  ["NUL in a metadata value", { metadata: { list: [1, "\u0000"] } }, "metadata.list[1]", /NUL/],
  ["a lone high surrogate", { content: "a\ud800" }, "content", /lone surrogate/],
  ["a lone low surrogate", { metadata: { a: "\udc00b" } }, "metadata.a", /lone surrogate/],
  ["a lone surrogate in a key", { metadata: { "\ud800": 1 } }, /^key of metadata/, /lone surrogate/],
  ["content of 2 MiB", { content: "x".repeat(2 ** 21) }, "content", /2097152 bytes, and at most 1048576 are allowed/],
  ["content of more bytes than characters", { content: "é".repeat(600_000) }, "content", /1200000 bytes/],
  ["content that is a number", { content: 5 }, "content", /expected string, received number/],
  ["no content", { content: undefined }, "content", /expected string, received undefined/],
  ["an empty type", { memoryType: "" }, "memoryType", /must not be empty/],
  ["a type of 129 bytes", { memoryType: "x".repeat(129) }, "memoryType", /at most 128/],
  // Names
  ["an empty id", { memoryId: "" }, "memoryId", /must not be empty/],
  ["an id of 513 bytes", { memoryId: "x".repeat(513) }, "memoryId", /513 bytes, and at most 512/],
  ["a namespace with a colon", { namespace: "a:b" }, "namespace", /1 to 128 of the characters.*found "a:b"/],
  ["an empty namespace", { namespace: "" }, "namespace", /1 to 128/],
  ["a namespace of 129 characters", { namespace: "n".repeat(129) }, "namespace", /1 to 128/],
  ["a namespace that ends in a line break", { namespace: "a\n" }, "namespace", /1 to 128/],
  // Fields
  ["an unknown field", { colour: 1 }, "colour", /unknown field "colour"; a memory has namespace, memoryId, content/],
  ["an inherited-looking unknown field", JSON.parse('{"__proto__":1}'), /__proto__|^$/, /unknown field/],
  ["importance below 0", { importance: -0.001 }, "importance", /0/],
  ["importance above 1", { importance: 1.5 }, "importance", /1.*found 1\.5/],
  ["importance that is no number", { importance: Number.NaN }, "importance", /./],
  ["another privacy", { privacy: "secret" }, "privacy", /full.*redacted.*local_only/],
  // These two fail: the message is that of the inner schema, "Invalid ISO datetime".
  ["an expiry without an offset", { expiresAt: "2030-01-01T00:00:00" }, "expiresAt", /offset or Z/],
  ["an expiry that is no time", { expiresAt: "soon" }, "expiresAt", /ISO-8601/],
  ["an invalid Date", { expiresAt: new Date(Number.NaN) }, "expiresAt", /./],
  ["an expiry beyond the year 9999", { expiresAt: new Date(2 ** 52) }, "expiresAt", /between 1970 and 9999/],
  ["an expiry before 1970", { expiresAt: "1969-12-31T23:59:59Z" }, "expiresAt", /between 1970 and 9999/],
  // Metadata
  ["metadata that is a list", { metadata: [] }, "metadata", /expected a JSON object/],
  ["metadata that is text", { metadata: "{}" }, "metadata", /expected a JSON object/],
  [
    "undefined in metadata",
    { metadata: { a: { b: undefined } } },
    "metadata.a.b",
    /undefined cannot be stored as JSON/,
  ],
  ["a hole in a list", { metadata: { a: Object.assign([1], { 2: 3 }) } }, "metadata.a[1]", /undefined/],
  ["a function", { metadata: { a: () => 1 } }, "metadata.a", /function cannot be stored/],
  ["a symbol", { metadata: { a: Symbol("x") } }, "metadata.a", /symbol cannot be stored/],
  ["a bigint", { metadata: { a: 1n } }, "metadata.a", /bigint cannot be stored/],
  ["a Date", { metadata: { a: new Date() } }, "metadata.a", /a Date is not plain JSON/],
  ["a Map", { metadata: { a: new Map() } }, "metadata.a", /a Map is not plain JSON/],
  ["an instance of a class", { metadata: { a: new Custom() } }, "metadata.a", /a Custom is not plain JSON/],
  ["NaN", { metadata: { a: [Number.NaN] } }, "metadata.a[0]", /NaN is not a finite number/],
  ["Infinity", { metadata: { a: -Infinity } }, "metadata.a", /-Infinity is not a finite number/],
  ["a cycle", { metadata: cyclic }, /^metadata(\.self)+$/, /deeper than 100 levels, or in a cycle/],
  ["101 levels and more", { metadata: nested(102) }, /^metadata(\.a)+$/, /deeper than 100/],
  ["more than 256 KiB", { metadata: { a: "x".repeat(262_144) } }, "metadata", /bytes as JSON, and at most 262144/],
  // Vectors
  ["another dimension", { embedding: [1, 2, 3] }, "embedding", /has 3 numbers, and the index holds vectors of 4/],
  ["another dimension as float32", { embedding: new Float32Array(5) }, "embedding", /has 5 numbers/],
  ["NaN in a vector", { embedding: [1, 2, Number.NaN, 4] }, "embedding[2]", /NaN is not a finite float32/],
  ["a number beyond float32", { embedding: [1, 3.5e38, 1, 1] }, "embedding[1]", /3\.5e\+38 is not a finite float32/],
  ["Infinity in a Float32Array", { embedding: Float32Array.of(1, 2, 3, Infinity) }, "embedding[3]", /Infinity/],
  ["zeros under cosine", { embedding: [0, -0, 0, 0] }, "embedding", /all zeros/],
  ["numbers that are zeros as float32", { embedding: [1e-46, 0, 0, 0] }, "embedding", /all zeros/],
  ["text in a vector", { embedding: [1, "2", 3, 4] }, "embedding", /array of numbers or a Float32Array/],
  ["a Float64Array", { embedding: new Float64Array(4) }, "embedding", /array of numbers or a Float32Array/],
  [
    "another model",
    { embeddingModel: "model-b" },
    "embeddingModel",
    /"model-b", and the index holds vectors of "model-a"/,
  ],
];

describe("a memory", () => {
  test.each(RULES)("with %s is refused, and the error names the field", (_, fields, path, message) => {
    const error = failure(fields);
    if (typeof path === "string") expect(error.path).toBe(path);
    else expect(error.path).toMatch(path);
    expect(error.message).toMatch(message);
    expect(error.message.startsWith(error.path)).toBe(true);
  });

  test.each([null, undefined, 5, "text", [], () => 1])("that is %s is refused", (input) => {
    expect(() => validator.validate(input)).toThrow(ValidationError);
  });

  test("in an error does not repeat its content or long values", () => {
    expect(failure({ content: "secret\u0000" }).message).not.toContain("secret");
    expect(failure({ memoryType: "y".repeat(200) }).message).not.toContain("yyyy");
  });

  test("that gives the least gets the defaults", () => {
    expect(validator.validate(valid)).toEqual({
      namespace: "default",
      memoryId: "m1",
      document: { content: "text", memoryType: "note", importance: 0.5, metadata: {}, privacy: "full" },
      embedding: null,
    });
  });

  test("at every bound passes", () => {
    const input = {
      namespace: `${"n".repeat(125)}._-`,
      memoryId: "é".repeat(256),
      content: "x".repeat(1_048_576),
      memoryType: "t".repeat(128),
      importance: 1,
      metadata: { a: "x".repeat(262_144 - 8) },
      embedding: [3.4028234663852886e38, 0, 0, 1e-45],
      embeddingModel: "model-a",
      privacy: "local_only",
      expiresAt: new Date("9999-12-31T23:59:59.999Z"),
    };
    const { document, embedding } = validator.validate(input);
    expect(document).toMatchObject({ importance: 1, expiresAt: "9999-12-31T23:59:59.999Z", privacy: "local_only" });
    expect(embedding).toEqual(Float32Array.from(input.embedding));
    expect(validator.validate({ ...valid, content: "", importance: 0 }).document).toMatchObject({ content: "" });
    expect(validator.validate({ ...valid, metadata: nested(100) }).document.metadata).toEqual(nested(100));
  });

  test("is copied: what the caller changes later does not reach it", () => {
    const metadata = { list: [1, { deep: "before" }] };
    const embedding = new Float32Array([1, 2, 3, 4]);
    const memory = validator.validate({ ...valid, metadata, embedding });
    (metadata.list[1] as { deep: string }).deep = "after";
    embedding[0] = 99;
    expect(memory.document.metadata).toEqual({ list: [1, { deep: "before" }] });
    expect(memory.embedding?.[0]).toBe(1);
  });

  test("keeps metadata keys that other programs trip over", () => {
    const metadata = JSON.parse('{"__proto__":{"x":1},"constructor":2,"":3,"toString":null}');
    const copy = validator.validate({ ...valid, metadata }).document.metadata;
    expect(JSON.stringify(copy)).toBe('{"":3,"__proto__":{"x":1},"constructor":2,"toString":null}'); // In canonical order.
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect((copy as { x?: unknown }).x).toBeUndefined();
  });

  test("writes an instant in one way, whatever way it came", () => {
    const spelled = ["2030-01-31T12:00:00Z", "2030-01-31T13:00:00.000+01:00", new Date(Date.UTC(2030, 0, 31, 12))];
    for (const expiresAt of spelled) {
      expect(validator.validate({ ...valid, expiresAt }).document.expiresAt).toBe("2030-01-31T12:00:00.000Z");
    }
    expect(validator.validate({ ...valid, expiresAt: null }).document).not.toHaveProperty("expiresAt");
  });

  test("of zeros passes where the metric has a use for it, and any dimension where no index is", () => {
    const zeros = { ...valid, embedding: [0, 0, 0, 0] };
    expect(new MemoryValidator({ dimension: 4, metric: "l2" }).validate(zeros).embedding).toEqual(new Float32Array(4));
    expect(new MemoryValidator().validate({ ...valid, embedding: [1] }).embedding).toHaveLength(1);
    expect(failure({ embedding: [] }, new MemoryValidator()).message).toMatch(/is empty: leave it out/);
  });

  test("has bounds that can be set", () => {
    const small = new MemoryValidator({}, { contentBytesMax: 3, metadataBytesMax: 10, memoryIdBytesMax: 2 });
    expect(small.validate({ memoryId: "ab", content: "abc", memoryType: "x", metadata: { a: 1 } }).memoryId).toBe("ab");
    for (const [fields, path] of [
      [{ memoryId: "abc" }, "memoryId"],
      [{ memoryId: "a", content: "abcd" }, "content"],
      [{ memoryId: "a", content: "", metadata: { aaaa: 10_000 } }, "metadata"],
    ] as const) {
      expect(failure(fields, small).path).toBe(path);
    }
  });
});

test("a key is checked like the memory's own, and a count against its bounds", () => {
  expect(validator.validateKey("m1")).toEqual({ namespace: "default", memoryId: "m1" });
  expect(() => validator.validateKey("")).toThrow(/^memoryId: must not be empty/);
  expect(() => validator.validateKey("a", "b:c")).toThrow(/^namespace: /);
  expect(() => validator.validateKey(7)).toThrow(ValidationError);
  validator.checkCount(1, "k", 10);
  validator.checkCount(10, "k", 10);
  for (const k of [0, 11, 1.5, Number.NaN, -1]) expect(() => validator.checkCount(k, "k", 10)).toThrow(/^k: is /);
});
