import { expect, test } from "vitest";
import { passes } from "../../../src/domain/filter/evaluate.ts";
import { type Filter, parseFilter } from "../../../src/domain/filter/filter.ts";
import { parseFilterPath } from "../../../src/domain/filter/filter-path.ts";

const memory = {
  memoryId: "m-1",
  memoryType: "episodic",
  importance: 0.5,
  privacy: "full",
  modifiedAt: Date.UTC(2026, 5, 1),
  metadata: { user: { name: "Ada" }, tags: ["x", 1], "a.b": true, none: null },
};

const passing: [string, Filter][] = [
  ["nothing asked", {}],
  ["several operators of one field", { importance: { gte: 0.5, lt: 0.6 } }],
  ["several fields", { memoryId: { prefix: "m-" }, memoryType: { in: ["semantic", "episodic"] } }],
  ["a time as text, with an offset", { modifiedAt: { lte: "2026-06-01T01:00:00+01:00" } }],
  ["a time as a Date", { modifiedAt: { gt: new Date("2026-05-31T00:00:00Z") } }],
  ["a nested entry", { "metadata.user.name": { eq: "Ada" } }],
  ["a name with a dot", { 'metadata["a.b"]': { eq: true } }],
  ["a list that holds", { "metadata.tags": { contains: 1 } }],
  ["null is a value", { "metadata.none": { exists: true, eq: null } }],
  ["another value than one that is absent", { "metadata.absent": { ne: "x", exists: false } }],
  ["or", { or: [{ memoryType: { eq: "x" } }, { not: { importance: { gt: 0.9 } } }] }],
  ["a field that is undefined counts as absent", { memoryType: undefined }],
];
test.each(passing)("passes: %s", (_name, filter) => {
  expect(passes(parseFilter(filter), memory)).toBe(true);
});

const failing: [string, Filter][] = [
  ["an order between a text and a number", { "metadata.user.name": { gt: 1 } }],
  ["a path through a list", { 'metadata.tags["0"]': { exists: true } }],
  ["no value is smaller than none", { "metadata.absent": { lt: 1 } }],
  ["an expiry that isn't set", { expiresAt: { lt: "2030-01-01T00:00:00Z" } }],
  ["every part of and", { and: [{ importance: { eq: 0.5 } }, { importance: { ne: 0.5 } }] }],
];
test.each(failing)("does not pass: %s", (_name, filter) => {
  expect(passes(parseFilter(filter), memory)).toBe(false);
});

const refused: [unknown, string][] = [
  [null, "where: expected an object"],
  [{ memory_type: { eq: "x" } }, "where.memory_type: is no field of a filter: expected one of memoryId, memoryType"],
  [{ memoryType: { equals: "x" } }, 'where.memoryType: "equals" is no operator here: expected one of eq, ne, in'],
  [{ memoryType: { contains: "x" } }, '"contains" is no operator here'],
  [{ memoryType: "x" }, "where.memoryType: "],
  [{ memoryType: {} }, "where.memoryType: names no operator"],
  [{ importance: { gt: "1" } }, "where.importance.gt: "],
  [{ importance: { gt: Number.NaN } }, "where.importance.gt: "],
  [{ "metadata.a": { eq: { b: 1 } } }, "where.metadata.a.eq: expected a text, a number, true, false or null"],
  [{ metadata: { a: 1 } }, "where.metadata: is no field of a filter"],
  [{ "metadata.": { eq: 1 } }, "expected e.g. metadata.user.name"],
  [{ 'metadata["\\u0000"]': { eq: 1 } }, "where.metadata"],
  [{ memoryId: { eq: "\u0000" } }, "where.memoryId.eq: "],
  [{ modifiedAt: { gt: "yesterday" } }, "where.modifiedAt.gt: expected an ISO-8601 time"],
  [{ modifiedAt: { gt: 1e16 } }, "where.modifiedAt.gt: "],
  [{ created: { gt: 0 } }, "where.created: is no field of a filter"],
  [{ and: [] }, "where.and: expected a list of filters"],
  [{ or: [{ not: 1 }] }, "where.or[0].not: expected an object"],
  [{ memoryId: { in: Array.from({ length: 1_001 }, () => "x") } }, "where.memoryId.in: "],
  [{ and: Array.from({ length: 101 }, () => ({})) }, "more than 100 tests in one filter"],
];
test.each(refused)("refuses %j by name", (filter, message) => {
  expect(() => parseFilter(filter)).toThrow(expect.objectContaining({ code: "VALIDATION" }));
  expect(() => parseFilter(filter)).toThrow(message);
});

test("refuses a filter that is nested too deep before it looks at the rest", () => {
  let filter: object = {};
  for (let level = 0; level < 100_000; level++) filter = { not: filter };
  expect(() => parseFilter(filter)).toThrow("nested deeper than 8 levels");
});

test("reads paths of plain and quoted names", () => {
  expect(parseFilterPath('.a["b.c"].d', "x")).toEqual(["a", "b.c", "d"]);
  for (const path of ["", ".", "a b", '["x"', ".a..b", "[0]", '["\\q"]', ".a".repeat(17)]) {
    expect(() => parseFilterPath(path, "x")).toThrow(expect.objectContaining({ code: "VALIDATION" }));
  }
});
