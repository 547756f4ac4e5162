import { expect, test } from "vitest";
import { encodeCursorParts } from "../../../src/domain/cursor-text.ts";
import { parseFilter } from "../../../src/domain/filter/filter.ts";
import {
  decodeListCursor,
  decodeNamespaceCursor,
  encodeListCursor,
  encodeNamespaceCursor,
  type ListScope,
} from "../../../src/read/list-cursor.ts";

const scope: ListScope = {
  namespace: "a",
  condition: parseFilter({ memoryType: { eq: "x" }, importance: { gt: 0.5 } }),
  order: "memoryId",
};

test.each(["m1", "ünï/code 🧠", "a".repeat(512)])("a cursor leads back to the id %j", (memoryId) => {
  const cursor = encodeListCursor(memoryId, scope);
  expect(cursor).toMatch(/^l1\.[A-Za-z0-9_-]+$/);
  expect(decodeListCursor(cursor, scope)).toBe(memoryId);
});

test("a cursor holds for the same tests in another order", () => {
  const reordered = parseFilter({ importance: { gt: 0.5 }, memoryType: { eq: "x" } });
  expect(decodeListCursor(encodeListCursor("m", scope), { ...scope, condition: reordered })).toBe("m");
});

const others: [string, Partial<ListScope>][] = [
  ["namespace", { namespace: "b" }],
  ["order", { order: "memoryId desc" }],
  ["filter", { condition: parseFilter({ memoryType: { eq: "x" } }) }],
  ["value", { condition: parseFilter({ memoryType: { eq: "x" }, importance: { gt: 0.6 } }) }],
  ["combination", { condition: parseFilter({ or: [{ memoryType: { eq: "x" } }, { importance: { gt: 0.5 } }] }) }],
];
test.each(others)("a cursor of another %s is refused, and the error says so", (_name, change) => {
  const cursor = encodeListCursor("m", scope);
  expect(() => decodeListCursor(cursor, { ...scope, ...change })).toThrow(
    expect.objectContaining({ code: "VALIDATION", message: expect.stringContaining("belongs to another list") }),
  );
});

const genuine = encodeListCursor("m", scope);
test.each(
  [
    [
      "",
      "c1.abc",
      "l1.",
      "l1.!!!",
      genuine.slice(0, -1),
      `${genuine}x`,
      genuine + genuine,
      "l".repeat(20_000),
      7,
      null,
      {},
    ],
    [
      encodeCursorParts("l1.", ["only one"]),
      encodeCursorParts("l1.", [1, "m"]),
      encodeCursorParts("l1.", ["f", "\u0000"]),
    ],
    [encodeNamespaceCursor("a")],
  ].flat(),
)("refuses %j, which is no cursor of a list", (text) => {
  expect(() => decodeListCursor(text, scope)).toThrow("cursor: is no cursor of a list");
});

test("a cursor of namespaces is another one", () => {
  expect(decodeNamespaceCursor(encodeNamespaceCursor("tenant"))).toBe("tenant");
  for (const text of [genuine, "", "n1.", encodeCursorParts("n1.", [""]), encodeCursorParts("n1.", ["a", "b"])]) {
    expect(() => decodeNamespaceCursor(text)).toThrow("is no cursor of namespaces");
  }
});
