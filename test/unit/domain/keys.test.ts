import { describe, expect, test } from "vitest";
import { bucketOf, compareKeys, keyText, parseKeyText } from "../../../src/domain/keys.ts";
import fc from "../../support/properties.ts";

const text = fc.string({ unit: "binary" }).filter((value) => !value.includes("\u0000"));
/** Around the places where UTF-16 and UTF-8 order differ. */
const tricky = fc
  .array(
    fc.constantFrom("a", "z", "\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "😀", "\u{10ffff}"),
  )
  .map((parts) => parts.join(""));

describe("the order of keys", () => {
  test("is that of their UTF-8 bytes, which is Postgres's", () => {
    fc.assert(
      fc.property(fc.oneof(text, tricky), fc.oneof(text, tricky), (a, b) => {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
        const found = compareKeys({ namespace: "n", memoryId: a }, { namespace: "n", memoryId: b });
        expect(Math.sign(found)).toBe(expected);
        expect(Math.sign(compareKeys({ namespace: a, memoryId: "" }, { namespace: b, memoryId: "" }))).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  test("goes by namespace first", () => {
    const keys = [
      { namespace: "b", memoryId: "a" },
      { namespace: "a", memoryId: "z" },
      { namespace: "a", memoryId: "😀" },
      { namespace: "a", memoryId: "\uffff" },
      { namespace: "a", memoryId: "" },
    ];
    expect(keys.sort(compareKeys).map(({ namespace, memoryId }) => namespace + memoryId)).toEqual([
      "a",
      "az",
      "a\uffff",
      "a😀",
      "ba",
    ]);
  });
});

test("a key's text belongs to no other key, and gives the key back", () => {
  fc.assert(
    fc.property(text, text, (namespace, memoryId) => {
      expect(parseKeyText(keyText({ namespace, memoryId }))).toEqual({ namespace, memoryId });
    }),
  );
});

test("buckets are spread evenly over 0 … 65,535", () => {
  const halves = new Uint32Array(16);
  for (let number = 0; number < 20_000; number++) {
    const bucket = bucketOf({ namespace: "n", memoryId: `m${number}` });
    expect(bucket >= 0 && bucket <= 65_535 && Number.isInteger(bucket)).toBe(true);
    halves[bucket >> 12]!++;
  }
  for (const count of halves) expect(Math.abs(count - 1_250)).toBeLessThan(200);
});
