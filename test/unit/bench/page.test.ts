import { describe, expect, test } from "vitest";
import { assertComparable, withEarlier } from "../../../bench/harness/earlier-run.ts";
import { type Run, resultsPage, scenarioSection } from "../../../bench/harness/markdown.ts";
import type { ScenarioOutcome } from "../../../bench/harness/run-scenario.ts";
import type { Measure, ScenarioResult } from "../../../bench/harness/scenario.ts";
import { axisTicks, scenarioPlot } from "../../../bench/harness/svg.ts";

const MEASURES: Measure[] = [
  { contender: "mnemosync", role: "ours", unit: "memories/s", values: [9_000, 11_000, 10_000], durable: "all of it" },
  { contender: "PostgreSQL alone", role: "floor", unit: "memories/s", values: [20_000, 20_000, 21_000] },
  { contender: "peer | <other>", role: "peer", unit: "memories/s", values: [5_000] },
];
const RESULT: ScenarioResult = {
  title: "20,000 new memories",
  method: "All at once.",
  measures: MEASURES,
  targets: [
    { what: "beside PostgreSQL alone", ratio: 0.5, bound: 0.5, kind: "at least" },
    { what: "what is aimed at", ratio: 0.5, bound: 0.8, kind: "at least" },
  ],
};
const DONE: ScenarioOutcome = { name: "bulk-new", seconds: 12.3, results: [RESULT] };
const FAILED: ScenarioOutcome = { name: "check", seconds: 3, results: [], failure: "Error: redis holds 3\n at line 1" };
const RUN: Run = {
  machine: { processor: "a fast one", memory: "24 GiB" },
  startedAt: "2026-01-02T03:04:05.000Z",
  quick: false,
  outcomes: [DONE, FAILED],
  leftOut: ["wal"],
};

test("a table names contender, median, spread, ratio to the floor, and what is durable", () => {
  const section = scenarioSection(DONE, "results/bulk-new.svg");
  expect(section).toContain("| contender | median | spread | times the floor | durable when it answers |");
  expect(section).toContain("| **mnemosync** | 10,000 memories/s | 9,000–11,000 | 0.50 | all of it |");
  expect(section).toContain("| PostgreSQL alone | 20,000 memories/s | 20,000–21,000 |  |  |");
  expect(section).toContain("| peer \\| <other> | 5,000 memories/s | 5,000–5,000 | 0.25 |  |");
  expect(section).toContain("![bulk-new](results/bulk-new.svg)");
});

test("it is said how many rounds there were, and how many were wanted where there was no time for them", () => {
  const rounds = (measures: Measure[]) => scenarioSection({ ...DONE, results: [{ ...RESULT, measures }] });
  const [first, second] = MEASURES as [Measure, Measure];
  expect(rounds([first, second])).toContain("Rounds: 3.");
  expect(rounds(MEASURES)).toContain("Rounds: 1 to 3.");
  expect(rounds([{ ...first, roundsPlanned: 5 }, second])).toContain("Rounds: 3 of 5, for which there was no time.");
});

test("the page says which targets are not met, what failed and what was left out", () => {
  const page = resultsPage(RUN, new Map([["bulk-new", "results/bulk-new.svg"]]));
  expect(page).toContain("| processor | a fast one |");
  expect(page).toContain("1 of 2 are met.");
  expect(page).toContain("- bulk-new, 20,000 new memories: met: beside PostgreSQL alone: 0.50, to be at least 0.5");
  expect(page).toContain("**bulk-new, 20,000 new memories: NOT met: what is aimed at: 0.50, to be at least 0.8**");
  expect(page).toContain("**Failed in this run, and so without figures: check.**");
  expect(page).toContain("**Not run this time: wal.**");
  expect(page).toContain("**FAILED** after 3 s: Error: redis holds 3");
  expect(page).toContain("2026-01-02, a full run.");
  expect(page).not.toContain("line 1");
});

describe("scenarios that are run again", () => {
  const all = [{ name: "bulk-new" }, { name: "check" }, { name: "wal" }];
  const later: Run = {
    machine: { ...RUN.machine, "load average before": "0.10, 0.20, 0.30" },
    startedAt: "2026-01-02T05:06:07.000Z",
    quick: false,
    outcomes: [{ ...DONE, name: "check", seconds: 99 }],
    leftOut: ["bulk-new", "wal"],
  };

  test("stand in place of the earlier ones, and the page says so", () => {
    const run = withEarlier(later, { ...RUN, machine: later.machine }, all);
    expect(run.outcomes.map(({ name, seconds }) => [name, seconds])).toEqual([
      ["bulk-new", 12.3],
      ["check", 99],
    ]);
    const page = resultsPage(run, new Map());
    expect(page).toContain("Run again by themselves on the same machine, 2026-01-02 05:06 UTC");
    expect(page).toContain("load average before 0.10, 0.20, 0.30: check.");
    expect(page).toContain("**Not run this time: wal.**");
    expect(page).not.toContain("Failed in this run");
  });

  test.each([
    [
      "another processor",
      { ...RUN, machine: { ...later.machine, processor: "a slow one" } },
      /a slow one, now a fast one/,
    ],
    ["a quick run", { ...RUN, machine: later.machine, quick: true }, /quick/],
  ])("are refused beside those of %s", (_, earlier, reason) => {
    expect(() => assertComparable(later, earlier)).toThrow(reason);
  });
});

test("a complete run has no notes", () => {
  const page = resultsPage({ ...RUN, outcomes: [DONE], leftOut: [], quick: true }, new Map());
  expect(page).not.toMatch(/Failed|Not run|!\[/);
  expect(page).toContain("a quick run");
});

test("bars are as long as the medians, with the contenders' names as text", () => {
  const plot = scenarioPlot([RESULT]) as string;
  const widths = [...plot.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
  expect(widths).toHaveLength(3);
  expect((widths[0] as number) / (widths[1] as number)).toBeCloseTo(0.5, 2);
  expect(plot).toContain("peer | &lt;other&gt;");
  expectWellFormed(plot);
});

test("lines have a point for each size, higher where more was measured, and a legend", () => {
  const points = [
    [10, 100],
    [1_000, 50],
    [100_000, 5],
  ] as const;
  const lines = { x: "stored", y: "per second", series: [{ name: "ours & theirs", role: "ours" as const, points }] };
  const plot = scenarioPlot([{ ...RESULT, measures: [], lines }]) as string;
  const dots = [...plot.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);
  expect(dots).toHaveLength(3);
  const [first, second, third] = dots as [number[], number[], number[]];
  expect((second[0] as number) - (first[0] as number)).toBeCloseTo((third[0] as number) - (second[0] as number), 0);
  expect(first[1]).toBeLessThan(second[1] as number);
  expect(plot).toContain("ours &amp; theirs");
  expectWellFormed(plot);
});

test.each([
  [
    [0.165, 0.9],
    [0, 0.25, 0.5, 0.75, 1],
  ],
  [
    [2_525, 16_064],
    [0, 5_000, 10_000, 15_000, 20_000],
  ],
  [
    [0, 4],
    [0, 1, 2, 3, 4],
  ],
  [
    [0.042, 10.5],
    [0.01, 0.1, 1, 10, 100],
  ],
  [
    [0, 100],
    [0, 25, 50, 75, 100],
  ],
])("the ticks around %j are round numbers", (values, ticks) => {
  expect(axisTicks(values)).toEqual(ticks);
});

test("nothing to compare is nothing to draw", () => {
  expect(scenarioPlot([{ ...RESULT, measures: [MEASURES[0] as Measure] }])).toBeNull();
});

/** Every element that opens closes, in order, and nothing in it is no number. */
function expectWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, closing, name, inside] of svg.matchAll(/<(\/?)(\w+)([^>]*)>/g)) {
    if (closing === "/") expect(open.pop()).toBe(name);
    else if (!inside?.endsWith("/")) open.push(name as string);
  }
  expect(open).toEqual([]);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svg).toMatch(/^<svg [^>]*>\n<title>[^<]+<\/title>/);
}
