import { describe, expect, test } from "vitest";
import { compareVectors, increment, type VersionVector } from "../../../src/domain/version-vector.ts";
import fc from "../../support/properties.ts";

const vector = fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), fc.nat(3), { noNullPrototype: true });

describe("a version vector", () => {
  test.each<[VersionVector, VersionVector, ReturnType<typeof compareVectors>]>([
    [{}, {}, "equal"],
    [{ a: 1 }, {}, "after"],
    [{}, { a: 1 }, "before"],
    [{ a: 2, b: 1 }, { a: 1, b: 1 }, "after"],
    [{ a: 1 }, { b: 1 }, "concurrent"],
    [{ a: 2, b: 1 }, { a: 1, b: 2 }, "concurrent"],
    [{ a: 0 }, {}, "equal"],
    [{ constructor: 1 }, {}, "after"],
    [{}, JSON.parse('{"__proto__":1}'), "before"],
  ])("%o stands to %o: %s", (a, b, expected) => {
    expect(compareVectors(a, b)).toBe(expected);
  });

  test("that a node counted up comes after the one before, and only its own entry changed", () => {
    expect(increment({ a: 1, b: 4 }, "a")).toEqual({ a: 2, b: 4 });
    expect(increment({ b: 4 }, "a")).toEqual({ a: 1, b: 4 });
    expect(increment({}, "constructor")).toEqual({ constructor: 1 });
    fc.assert(
      fc.property(vector, fc.constantFrom("a", "b", "c"), (before, node) => {
        expect(compareVectors(increment(before, node), before)).toBe("after");
      }),
    );
  });

  test("is compared the same way from both sides", () => {
    const mirrored = { equal: "equal", after: "before", before: "after", concurrent: "concurrent" };
    fc.assert(
      fc.property(vector, vector, (a, b) => {
        expect(compareVectors(b, a)).toBe(mirrored[compareVectors(a, b)]);
      }),
    );
  });
});
