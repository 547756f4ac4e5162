import { describe, expect, test } from "vitest";
import { formatNumber, formatSpread, formatTarget } from "../../../bench/harness/format.ts";
import type { Measure, Target } from "../../../bench/harness/scenario.ts";
import { floorOf, isMet, ratioTarget } from "../../../bench/harness/targets.ts";
import { median, quantile } from "../../../bench/support/statistics.ts";

const measure = (contender: string, role: Measure["role"], values: number[], figure?: string): Measure => ({
  contender,
  role,
  unit: "ms",
  values,
  ...(figure !== undefined && { figure }),
});

test("the median is the middle value, or the mean of the two in the middle, whatever the order", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 1, 5, 2])).toBe(3.5);
  expect(median([7])).toBe(7);
  expect(median([])).toBeNaN();
  const given = [3, 1, 2];
  median(given);
  expect(given).toEqual([3, 1, 2]);
});

test("a quantile is a value that was measured", () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect(quantile(values, 0.5)).toBe(51);
  expect(quantile(values, 0.99)).toBe(100);
  expect(quantile(values, 1)).toBe(100);
  expect(quantile([], 0.5)).toBeNaN();
});

describe("a target", () => {
  const target = (kind: Target["kind"], ratio: number): Target => ({ what: "ours beside it", kind, ratio, bound: 0.5 });

  test.each([
    ["at least", 0.49, false],
    ["at least", 0.5, true],
    ["at least", 3, true],
    ["at most", 0.5, true],
    ["at most", 0.51, false],
    ["at least", Number.NaN, false],
    ["at most", Number.NaN, false],
  ] as const)("%s 0.5 is met by %d: %s", (kind, ratio, met) => {
    expect(isMet(target(kind, ratio))).toBe(met);
    expect(formatTarget(target(kind, ratio))).toMatch(met ? /^met: / : /^NOT met: /);
  });

  test("is about medians of one run", () => {
    const measures = [measure("ours", "ours", [1, 2, 90]), measure("floor", "floor", [4, 4, 4])];
    const of = [{ contender: "ours" }, { contender: "floor" }] as const;
    expect(ratioTarget("x", measures, of, "at most", 1)).toEqual({ what: "x", ratio: 0.5, kind: "at most", bound: 1 });
  });

  test("about what was not measured is a mistake", () => {
    const of = [{ contender: "ours" }, { contender: "floor" }] as const;
    expect(() => ratioTarget("x", [], of, "at most", 1)).toThrow("nothing was measured of ours");
  });
});

test("a figure is shown beside the first floor of its unit and name, and a floor not beside itself", () => {
  const ours = measure("ours", "ours", [1], "p99");
  const floors = [
    measure("a", "floor", [1], "p50"),
    measure("b", "floor", [1], "p99"),
    measure("c", "floor", [1], "p99"),
  ];
  const all = [ours, ...floors];
  expect(floorOf(all, ours)?.contender).toBe("b");
  expect(floorOf(all, floors[1] as Measure)).toBeNull();
  expect(floorOf(all, floors[2] as Measure)?.contender).toBe("b");
  expect(floorOf([ours], ours)).toBeNull();
  expect(floorOf([ours, { ...(floors[1] as Measure), unit: "s" }], ours)).toBeNull();
});

test("numbers are shown with the digits that count", () => {
  expect([12_345.6, 123.4, 12.34, 1.234, 0.1234, 0].map(formatNumber)).toEqual([
    "12,346",
    "123",
    "12.3",
    "1.23",
    "0.123",
    "0",
  ]);
  expect(formatNumber(Number.NaN)).toBe("–");
  expect(formatSpread([5, 100, 7])).toBe("5.00–100");
});
