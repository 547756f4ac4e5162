import { describe, expect, test } from "vitest";
import { differences } from "../../../src/conflict/differences.ts";
import { document, floats } from "./conflicts.ts";

const side = (fields: Parameters<typeof document>[0] = {}, embedding: Float32Array | null = null) => ({
  document: document(fields),
  embedding,
});

const DELETED = { document: null, embedding: null };

describe("the differences between two sides", () => {
  test("are none where both say the same, whatever the order of keys", () => {
    const left = side({ metadata: { a: 1, b: [1, { c: null }] } }, floats(1, 2));
    const right = side({ metadata: { b: [1, { c: null }], a: 1 } }, floats(1, 2));
    expect(differences(left, right)).toStrictEqual({
      same: true,
      leftDeleted: false,
      rightDeleted: false,
      fields: [],
      embedding: { outcome: "same", components: 2 },
    });
  });

  test("name fields and metadata keys by JSON pointers, sorted", () => {
    const left = side({ content: "ledger", metadata: { "a/b": 1, "c~d": { "e.f": [1, 2] }, left: true } });
    const right = side({ metadata: { "a/b": 2, "c~d": { "e.f": [1, 3, 4] }, right: null }, embeddingModel: "one" });
    expect(differences(left, right).fields).toStrictEqual([
      { path: "/content", left: "ledger", right: "base" },
      { path: "/embeddingModel", right: "one" },
      { path: "/metadata/a~1b", left: 1, right: 2 },
      { path: "/metadata/c~0d/e.f/1", left: 2, right: 3 },
      { path: "/metadata/c~0d/e.f/2", right: 4 },
      { path: "/metadata/left", left: true },
      { path: "/metadata/right", right: null },
    ]);
  });

  test("see keys that every object inherits, and __proto__", () => {
    const left = side({ metadata: JSON.parse('{"__proto__":1}') });
    const right = side({ metadata: { constructor: 2 } });
    expect(differences(left, right).fields).toStrictEqual([
      { path: "/metadata/__proto__", left: 1 },
      { path: "/metadata/constructor", right: 2 },
    ]);
  });

  test("against a deletion are all leaves of the other side", () => {
    const found = differences(DELETED, side({ metadata: { a: { b: 1 } } }, floats(1)));
    expect(found).toMatchObject({
      same: false,
      leftDeleted: true,
      rightDeleted: false,
      embedding: { outcome: "right_only", components: 1 },
    });
    expect(found.fields.map(({ path }) => path)).toEqual([
      "/content",
      "/importance",
      "/memoryType",
      "/metadata",
      "/privacy",
    ]);
    expect(differences(DELETED, DELETED)).toMatchObject({ same: true, fields: [], embedding: { outcome: "none" } });
  });

  test.each([
    [floats(1, 2, 3), floats(1, 2.5, 5), { outcome: "different", differing: 2, components: 3, differenceMax: 2 }],
    [floats(0, 1), floats(-0, 1), { outcome: "different", differing: 1, components: 2, differenceMax: 0 }],
    [floats(1, Number.NaN), floats(2, 1), { outcome: "different", differing: 2, components: 2, differenceMax: null }],
    [
      floats(Number.POSITIVE_INFINITY),
      floats(1),
      { outcome: "different", differing: 1, components: 1, differenceMax: null },
    ],
    [floats(Number.NaN), floats(Number.NaN), { outcome: "same", components: 1 }],
    [floats(1), null, { outcome: "left_only", components: 1 }],
    [null, floats(1, 2), { outcome: "right_only", components: 2 }],
    [floats(1), floats(1, 2), { outcome: "other_dimension", leftComponents: 1, rightComponents: 2 }],
  ])("of the embeddings %j and %j", (left, right, expected) => {
    const found = differences(side({}, left), side({}, right));
    expect(found.embedding).toStrictEqual(expected);
    expect(found.same).toBe(expected.outcome === "same");
    expect(JSON.parse(JSON.stringify(found))).toStrictEqual(found);
  });
});
