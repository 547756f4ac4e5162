import { expect, test } from "vitest";
import type * as z from "zod";
import { ValidationError } from "../../../src/domain/errors.ts";
import { checkedBody } from "../../../src/http/checked-body.ts";
import { stringifyInTurns } from "../../../src/http/json-answer.ts";
import { memoryGroup } from "../../../src/http/routes/memories.ts";
import { hurriedClock, turnsOf } from "../../support/loop-turns.ts";
import fc from "../../support/properties.ts";

/**
 * Goal: no request holds up the others for long, whatever its size. Method: the turns of the event loop that the work of one
 * takes are counted; no time is measured.
 */

const batch = memoryGroup.routes.find(({ operationId }) => operationId === "writeBatch")!;
const memory = { memoryId: "m", content: "text", memoryType: "episodic", embedding: [1, 2, 3] };

test("a document is written as by JSON.stringify", async () => {
  const value = fc.anything({ withNullPrototype: false, maxDepth: 3 });
  const documents = fc.dictionary(fc.string(), fc.oneof(value, fc.array(value, { minLength: 14, maxLength: 40 })));
  await fc.assert(
    fc.asyncProperty(documents, async (document) => {
      expect(await stringifyInTurns(document)).toBe(JSON.stringify(document));
    }),
  );
  for (const other of [null, 1, "text", [1, 2], Array.from({ length: 20 }, () => undefined)])
    expect(await stringifyInTurns(other)).toBe(JSON.stringify(other));
});

test("a page of a thousand vectors is written in many turns, and so are a few large contents", async () => {
  const vectors = Array.from({ length: 1_000 }, () => ({ embedding: Array.from({ length: 100 }, Math.random) }));
  const page = await turnsOf(() => stringifyInTurns({ memories: vectors, cursor: null }, hurriedClock()));
  expect(page.turns).toBeGreaterThan(60);
  const contents = Array.from({ length: 20 }, () => ({ content: "x".repeat(100_000) }));
  const large = await turnsOf(() => stringifyInTurns({ memories: contents }, hurriedClock()));
  expect(large.turns).toBeGreaterThanOrEqual(19);
  expect(large.result).toBe(JSON.stringify({ memories: contents }));
});

test("a batch is checked memory by memory, with the same result as by its schema as a whole", async () => {
  const memories = Array.from({ length: 5_000 }, () => memory);
  const body = { memories, idempotencyKey: "key" };
  const { result, turns } = await turnsOf(() => checkedBody(batch, body, hurriedClock()));
  expect(turns).toBeGreaterThan(300);
  expect(result).toEqual(batch.body?.().parse(body));
});

test("the first memory that is at fault ends the check of a batch", async () => {
  let looked = 0;
  const memories = Array.from({ length: 5_000 }, (_, index) => ({
    ...memory,
    get content() {
      looked++;
      return index >= 40 ? 7 : "text";
    },
  }));
  const flaw = checkedBody(batch, { memories, unknown: 1 });
  await expect(flaw).rejects.toThrow(ValidationError);
  await expect(flaw).rejects.toMatchObject({ path: "memories.40.content" });
  expect(looked).toBeLessThan(100);
});

test.each([
  [{ memories: [] }, "memories"],
  [{ memories: Array.from({ length: 5_001 }, () => memory) }, "memories"],
  [{ memories: "text" }, "memories"],
  [{}, "memories"],
  [[], ""],
  [{ memories: [memory], atomic: "yes" }, "atomic"],
  [{ memories: [{ ...memory, embedding: [] }] }, "memories.0.embedding"],
  [{ memories: [{ ...memory, embedding: [1, "2"] }] }, "memories.0.embedding"],
  [{ memories: [memory], other: 1 }, ""],
])("a batch that breaks a rule is refused with the field's path (case %#)", async (body, path) => {
  await expect(checkedBody(batch, body)).rejects.toMatchObject({ path });
});

test("checking a vector makes no object for each of its numbers", () => {
  const vector = memoryFieldsOf(batch);
  let reads = 0;
  const numbers = new Proxy([1, 2, 3], {
    get: (target, name, receiver) => {
      if (typeof name === "string" && /^\d+$/.test(name)) reads++;
      return Reflect.get(target, name, receiver);
    },
  });
  expect(vector.parse(numbers)).toBe(numbers); // Not a copy.
  expect(reads).toBe(3);
});

function memoryFieldsOf(route: typeof batch): z.ZodType {
  const entry = route.bodyList?.entry() as z.ZodObject;
  return entry.shape.embedding as z.ZodType;
}
