import { expect, test } from "vitest";
import { encodeCursorParts } from "../../../src/domain/cursor-text.ts";
import { parseFilter } from "../../../src/domain/filter/filter.ts";
import {
  decodeListCursor,
  decodeListPlaces,
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

const place = { memoryId: "m", sort: null };

test("a cursor of an order by time leads back to the time, to the microsecond", () => {
  const byTime: ListScope = { ...scope, order: "createdAt desc" };
  const exact = { memoryId: "m", sort: "2026-01-02T03:04:05.000007Z" };
  expect(decodeListCursor(encodeListCursor(exact, byTime), byTime)).toEqual(exact);
  for (const sort of [null, "yesterday", "2026-01-02", "2026-01-02T03:04:05.000007Z'"]) {
    const text = encodeListCursor({ memoryId: "m", sort }, byTime);
    expect(() => decodeListCursor(text, byTime)).toThrow("cursor: is no cursor of a list");
  }
  expect(() => decodeListCursor(encodeListCursor(exact, scope), scope)).toThrow("cursor: is no cursor of a list");
});

test("a cursor of the order by importance leads back to the importance, and to a version among replaced ones", () => {
  const byImportance: ListScope = { ...scope, order: "importance" };
  for (const sort of ["0", "0.1", "0.30000000000000004", "1e-7", "1"]) {
    for (const place of [
      { memoryId: "m", sort },
      { memoryId: "m", sort, version: 7 },
    ]) {
      expect(decodeListCursor(encodeListCursor(place, byImportance), byImportance)).toEqual(place);
    }
  }
  const [bound] = JSON.parse(
    Buffer.from(encodeListCursor({ memoryId: "m", sort: "1" }, byImportance).slice(3), "base64url").toString(),
  );
  const others = [
    [],
    ["high"],
    ["1e-400"],
    ["0x1"],
    [" 1"],
    ["NaN"],
    [1],
    ["1", 0],
    ["1", 1.5],
    ["1", "2"],
    ["1", 2 ** 49],
    ["1", 1, 1],
  ];
  for (const parts of others) {
    expect(() => decodeListCursor(encodeCursorParts("l1.", [bound, "m", ...parts]), byImportance)).toThrow(
      "cursor: is no cursor of a list",
    );
  }
  const versioned = encodeListCursor({ memoryId: "m", sort: null, version: 7 }, scope);
  expect(() => decodeListCursor(versioned, scope)).toThrow("cursor: is no cursor of a list");
});

test.each(["m1", "ünï/code 🧠", "a".repeat(512)])("a cursor leads back to the id %j", (memoryId) => {
  const cursor = encodeListCursor({ memoryId, sort: null }, scope);
  expect(cursor).toMatch(/^l1\.[A-Za-z0-9_-]+$/);
  expect(decodeListCursor(cursor, scope)).toEqual({ memoryId, sort: null });
});

test("a cursor may have a second place, up to which a list has shown what a replica alone has", () => {
  const behind = { memoryId: "a", sort: null };
  for (const replica of [null, behind]) {
    const cursor = encodeListCursor(place, scope, replica);
    expect(decodeListPlaces(cursor, scope)).toEqual({ place, replica });
    // A node without a replica goes on with the primary.
    expect(decodeListCursor(cursor, scope)).toEqual(place);
  }
  expect(decodeListPlaces(encodeListCursor(place, scope), scope)).toEqual({ place, replica: place });
  const byTime: ListScope = { ...scope, order: "modifiedAt" };
  const exact = { memoryId: "m", sort: "2026-01-02T03:04:05.000007Z" };
  expect(decodeListPlaces(encodeListCursor(exact, byTime, exact), byTime)).toEqual({ place: exact, replica: exact });
  for (const cursor of [encodeListCursor(exact, byTime, behind), encodeListCursor(place, scope, exact)]) {
    expect(() => decodeListPlaces(cursor, cursor === encodeListCursor(place, scope, exact) ? scope : byTime)).toThrow(
      "cursor: is no cursor of a list",
    );
  }
});

test("a cursor holds for the same tests in another order", () => {
  const reordered = parseFilter({ importance: { gt: 0.5 }, memoryType: { eq: "x" } });
  expect(decodeListCursor(encodeListCursor(place, scope), { ...scope, condition: reordered })).toEqual(place);
});

const others: [string, Partial<ListScope>][] = [
  ["namespace", { namespace: "b" }],
  ["order", { order: "memoryId desc" }],
  ["filter", { condition: parseFilter({ memoryType: { eq: "x" } }) }],
  ["value", { condition: parseFilter({ memoryType: { eq: "x" }, importance: { gt: 0.6 } }) }],
  ["combination", { condition: parseFilter({ or: [{ memoryType: { eq: "x" } }, { importance: { gt: 0.5 } }] }) }],
];
test.each(others)("a cursor of another %s is refused, and the error says so", (_name, change) => {
  const cursor = encodeListCursor(place, scope);
  expect(() => decodeListCursor(cursor, { ...scope, ...change })).toThrow(
    expect.objectContaining({ code: "VALIDATION", message: expect.stringContaining("belongs to another list") }),
  );
});

const genuine = encodeListCursor(place, scope);
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
