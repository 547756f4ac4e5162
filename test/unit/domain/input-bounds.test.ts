import { inspect } from "node:util";
import { expect, test } from "vitest";
import type { ValidationError } from "../../../src/domain/errors.ts";
import { MemoryValidator } from "../../../src/domain/schema.ts";

/** Goal: refusing an input costs about as much as accepting one that is allowed, and its error stays small. */

const MEBIBYTE = 1_048_576;
const validator = new MemoryValidator({ dimension: 4 });
const memory = { memoryId: "m", content: "text", memoryType: "episodic" };

function refusal(fields: object): ValidationError {
  try {
    validator.validate({ ...memory, ...fields });
  } catch (error) {
    return error as ValidationError;
  }
  throw new Error("the memory was accepted");
}

/** `target`, which counts how many of its values are read. */
function counted<T extends object>(target: T): { value: T; reads: () => number } {
  let reads = 0;
  const value = new Proxy(target, {
    get(object, name, receiver) {
      if (typeof name === "string" && name !== "length" && name !== "constructor") reads++;
      return Reflect.get(object, name, receiver);
    },
  });
  return { value, reads: () => reads };
}

test("a metadata list that cannot fit is refused before its entries are read", () => {
  const { value, reads } = counted(new Array<number>(MEBIBYTE).fill(1));
  expect(refusal({ metadata: { list: value } }).message).toMatch(/bytes as JSON, and at most 262144 are allowed/);
  expect(reads()).toBe(0);
});

test("metadata with more keys than can fit is refused before its values are read", () => {
  const { value, reads } = counted(Object.fromEntries(Array.from({ length: 100_000 }, (_, key) => [`k${key}`, 1])));
  expect(refusal({ metadata: value }).path).toBe("metadata");
  expect(reads()).toBe(0);
});

test("copying metadata ends at the limit, however much follows", () => {
  const inner = counted({ text: "x".repeat(1_000) });
  expect(refusal({ metadata: { list: new Array(100_000).fill(inner.value) } }).path).toBe("metadata");
  expect(inner.reads()).toBeLessThanOrEqual(262_144 / 1_000 + 1);
});

test("a vector of another length is refused before its numbers are read", () => {
  const { value, reads } = counted(new Array<number>(MEBIBYTE).fill(1));
  expect(refusal({ embedding: value }).message).toMatch(/has 1048576 numbers, and the index holds vectors of 4/);
  expect(reads()).toBe(0);
});

test("without an index a vector is bounded too", () => {
  const { value, reads } = counted(new Array<number>(MEBIBYTE).fill(1));
  expect(() => new MemoryValidator().validate({ ...memory, embedding: value })).toThrow(/at most 65536 are allowed/);
  expect(reads()).toBe(0);
});

test.each<[string, object]>([
  ["an unknown field with a name of 1 MiB", { ["n".repeat(MEBIBYTE)]: 1 }],
  ["100,000 unknown fields", Object.fromEntries(Array.from({ length: 100_000 }, (_, key) => [`unknown${key}`, 1]))],
  ["a metadata key of 200 KiB with a value that JSON cannot carry", { metadata: { ["n".repeat(200_000)]: undefined } }],
  ["a type of 1 MiB", { memoryType: "t".repeat(MEBIBYTE) }],
  ["a privacy of 1 MiB", { privacy: "p".repeat(MEBIBYTE) }],
  ["a model of 1 MiB", { embeddingModel: "m".repeat(MEBIBYTE) }],
])("the error for %s holds no more than some kilobytes", (_, fields) => {
  const error = refusal(fields);
  expect(error.message.length).toBeLessThan(4_000);
  expect(error.path.length).toBeLessThan(2_000);
  // With its stack, cause and other properties.
  expect(inspect(error, { depth: 10, maxStringLength: null, maxArrayLength: null }).length).toBeLessThan(20_000);
});
