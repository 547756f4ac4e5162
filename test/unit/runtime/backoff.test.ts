import { expect, test } from "vitest";
import { backoffCeilingMs, backoffMs } from "../../../src/runtime/backoff.ts";
import fc from "../../support/properties.ts";

test("the ceiling doubles with each failure, up to its maximum", () => {
  const backoff = { baseMs: 100, maxMs: 1_000 };
  expect([1, 2, 3, 4, 5, 6].map((failures) => backoffCeilingMs(failures, backoff))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ]);
});

test("a wait is a whole number between 0 and the ceiling, for any number of failures", () => {
  const cases = [
    fc.integer({ min: 0, max: 1_000_000 }),
    fc.integer({ min: 1, max: 600_000 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  ] as const;
  fc.assert(
    fc.property(...cases, (failures, maxMs, drawn) => {
      const backoff = { baseMs: 50, maxMs, random: () => drawn };
      const waitMs = backoffMs(failures, backoff);
      expect(Number.isInteger(waitMs)).toBe(true);
      expect(waitMs).toBeGreaterThanOrEqual(0);
      expect(waitMs).toBeLessThanOrEqual(backoffCeilingMs(failures, backoff));
      expect(backoffCeilingMs(failures, backoff)).toBeLessThanOrEqual(maxMs);
    }),
  );
});
