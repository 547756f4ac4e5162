import { expect, test } from "vitest";
import { ValidationError } from "../../../src/domain/errors.ts";
import { decodeCursor, encodeCursor } from "../../../src/feed/change-cursor.ts";
import { parseFilter } from "../../../src/feed/feed-filter.ts";
import fc from "../../support/properties.ts";

/** Goal: a cursor says its place to the reader that it is for, and nothing else is taken for one. */

const filter = parseFilter({ namespaces: ["a", "b"] });
const place = { epoch: "5f0e9f0c-5d57-4f6c-b7ec-9f3f2b8f7a11", cursor: { xid: "18446744073709551615", seq: "12" } };

test("a cursor is read back as it was, is safe in a URL, and its form is fixed", () => {
  const text = encodeCursor(place, filter);
  expect(decodeCursor(text, filter)).toEqual(place);
  expect(encodeURIComponent(text)).toBe(text);
  expect(text).toMatchInlineSnapshot(
    `"c1.WyI1ZjBlOWYwYy01ZDU3LTRmNmMtYjdlYy05ZjNmMmI4ZjdhMTEiLCIxODQ0Njc0NDA3MzcwOTU1MTYxNSIsIjEyIiwiNDJiZDdiYzc1NGUzYzgyMiJd"`,
  );
});

test("it is bound to its filter, however that is written", () => {
  const text = encodeCursor(place, filter);
  expect(decodeCursor(text, parseFilter({ namespaces: ["b", "a", "b"] }))).toEqual(place);
  for (const other of [{}, { namespaces: ["a"] }, { namespaces: ["a", "b"], privacy: "ignored" } as const]) {
    expect(() => decodeCursor(text, parseFilter(other))).toThrow(/cursor: belongs to another filter/);
  }
});

test("what is malformed is refused with what was found", () => {
  const good = encodeCursor(place, filter);
  const encoded = (parts: unknown) => `c1.${Buffer.from(JSON.stringify(parts)).toString("base64url")}`;
  const bad = [
    "",
    "c1.",
    "c2.abc",
    good.slice(0, -1),
    `${good}A`,
    `${good} `,
    ` ${good}`,
    good.replace("c1.", "C1."),
    encoded({}),
    encoded(["e", "1", "2"]),
    encoded(["e", "-1", "2", "0".repeat(16)]),
    encoded(["e", "01", "2", "0".repeat(16)]),
    encoded(["e", "18446744073709551616", "2", "0".repeat(16)]),
    encoded(["e", "1", "9223372036854775808", "0".repeat(16)]),
    encoded(["e", "1e3", "2", "0".repeat(16)]),
    encoded(["", "1", "2", "0".repeat(16)]),
    "x".repeat(100_000),
    null,
    7,
    { toString: () => good },
  ];
  for (const text of bad) expect(() => decodeCursor(text, filter), String(text)).toThrow(ValidationError);
  expect(() => decodeCursor("nonsense", filter)).toThrow(/cursor: is no cursor of the change feed.*found "nonsense"/);
});

test("a text that was tampered with is refused, or names a well-formed place", () => {
  const good = encodeCursor(place, filter);
  const index = fc.nat(good.length - 1);
  fc.assert(
    fc.property(index, fc.string({ minLength: 0, maxLength: 3 }), (at, inserted) => {
      const changed = good.slice(0, at) + inserted + good.slice(at + 1);
      fc.pre(changed !== good);
      try {
        const read = decodeCursor(changed, filter);
        // Cursors are not signed: a digit that became another one is a place. It must be well-formed all the same.
        expect(BigInt(read.cursor.xid) >= 0n && BigInt(read.cursor.seq) >= 0n).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(ValidationError);
      }
    }),
    { numRuns: 500 },
  );
});
