import { describe, expect, test } from "vitest";
import { finite } from "../../../src/connectors/memory-space/dialect.ts";
import { type MemorySpaceItem, parseItem } from "../../../src/connectors/memory-space/item.ts";
import type { ListingFacts } from "../../../src/connectors/memory-space/list-reader.ts";
import { type ListingEnd, type ListingPlan, listWindow } from "../../../src/connectors/memory-space/listing.ts";
import type { TimeWindow } from "../../../src/connectors/time-window.ts";
import fc from "../../support/properties.ts";

const DAY_MS = 86_400_000;

interface FakeServer {
  readonly limitMax: number;
  readonly saysLimit: boolean;
  readonly order: "newest" | "stored";
  readonly byDay: boolean;
  readonly filters: boolean;
}

/** A server in memory: items are times by id. */
function pageOf(times: readonly number[], server: FakeServer) {
  const items = times.map((time, index) => parseItem({ id: `m${index}`, created_at: new Date(time).toISOString() }));
  return async function* (window: TimeWindow, limit: number): AsyncGenerator<MemorySpaceItem, ListingFacts> {
    const { from, to } = finite(window);
    const day = (time: number) => Math.floor(time / DAY_MS);
    const isIn = (time: number) =>
      !server.filters || (server.byDay ? day(time) >= day(from) && day(time) <= day(to) : time >= from && time <= to);
    const found = items.filter((item) => item !== null && isIn(item.createdAt ?? 0)) as MemorySpaceItem[];
    if (server.order === "newest") found.sort((a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0));
    const kept = Math.min(limit, server.limitMax);
    const page = found.slice(0, kept);
    yield* page;
    return { entries: page.length, unreadable: 0, limit: server.saysLimit ? kept : null, bytes: 1 };
  };
}

async function list(times: readonly number[], server: FakeServer, plan: ListingPlan, window: TimeWindow) {
  const seen = new Set<string>();
  const items = listWindow(window, plan, pageOf(times, server));
  for (;;) {
    const step = await items.next();
    if (step.done) return { seen, end: step.value as ListingEnd };
    seen.add(step.value.id);
  }
}

const ALL = { from: null, to: null };
/** So many items in no order are as good as never the newest first by chance, as ten are in one of 3,628,800 answers. */
const LIMIT_MIN = 14;
const server = fc.record<FakeServer>({
  limitMax: fc.constantFrom(LIMIT_MIN, 25, 1_000_000),
  saysLimit: fc.boolean(),
  order: fc.constantFrom("newest", "stored"),
  byDay: fc.boolean(),
  filters: fc.constant(true),
});
/** Times over three years, with some that crowd in one day, which is the last one at times. */
const times = fc
  .tuple(
    // Without a size there are ten at most, which fit into each answer.
    fc.array(fc.integer({ min: 0, max: 3 * 365 * DAY_MS }), { maxLength: 60, size: "max" }),
    fc.array(fc.integer({ min: 500 * DAY_MS, max: 501 * DAY_MS - 1 }), { maxLength: 60, size: "max" }),
    fc.constantFrom(3 * 365 * DAY_MS, 501 * DAY_MS),
  )
  .chain(([wide, crowded, end]) => {
    const all = [...wide.filter((offset) => offset < end), ...crowded];
    return fc.shuffledSubarray(all, { minLength: all.length });
  })
  .map((offsets) => offsets.map((offset) => Date.UTC(2024, 0, 1) + offset));

/** Whether a window that is not divided further may hold as many items as an answer. */
function isCrowded(given: readonly number[], kept: number): boolean {
  const sorted = given.toSorted((a, b) => a - b);
  return sorted.some((time, index) => (sorted[index + kept - 1] ?? Number.POSITIVE_INFINITY) - time < 4_000);
}

describe("a listing by windows", () => {
  test("never says that it is complete and lacks an item of a server that says its limit", async () => {
    await fc.assert(
      fc.asyncProperty(times, server, fc.integer({ min: LIMIT_MIN, max: 60 }), async (given, options, limit) => {
        const honest = { ...options, saysLimit: true };
        const { seen, end } = await list(given, honest, { canDivide: true, limit, limitMax: limit }, ALL);
        if (end.complete) expect(seen.size).toBe(given.length);
        if (options.byDay) return;
        const isEach = new Set(given).size === given.length && options.order === "newest"; // It is read on by the millisecond.
        if (isEach || !isCrowded(given, Math.min(limit, options.limitMax))) expect(end.complete).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("finds a limit that the server lowered without a word, where the newest items come first", async () => {
    await fc.assert(
      fc.asyncProperty(times, fc.constantFrom(10, 25), async (given, limitMax) => {
        const silent = { limitMax, saysLimit: false, order: "newest", byDay: false, filters: true } as const;
        const { seen, end } = await list(given, silent, { canDivide: true, limit: 200, limitMax: 200 }, ALL);
        if (end.complete) expect(seen.size).toBe(given.length);
      }),
      { numRuns: 300 },
    );
  });

  const START = Date.UTC(2026, 0, 1, 12);
  const spread = (count: number, stepMs: number) => Array.from({ length: count }, (_, index) => START - index * stepMs);
  test.each([
    ["within a day", spread(12, 60_000), false],
    ["within a second", spread(12, 1), false],
    ["of one time, and older ones", [...Array<number>(10).fill(START), START - 1, START - DAY_MS], false],
    ["of one day, and older ones, by the day", [...spread(10, 60_000), START - 3 * DAY_MS], true],
  ])("finds such a limit where the newest items are %s, or says that it is not complete", async (_, given, byDay) => {
    const silent = { limitMax: 10, saysLimit: false, order: "newest", byDay, filters: true } as const;
    const { seen, end } = await list(given, silent, { canDivide: true, limit: 100, limitMax: 100 }, ALL);
    if (end.complete) expect(seen.size).toBe(given.length);
    // Fewer items than the server gives are all of them, and a look or two shows it.
    const honest = await list(given, { ...silent, limitMax: 100 }, { canDivide: true, limit: 100, limitMax: 100 }, ALL);
    expect(honest.seen.size).toBe(given.length);
    expect(honest.end).toMatchObject({ complete: true, reason: null });
  });

  test("says that it is not complete where more items have one time than an answer gives", async () => {
    const same = Array.from({ length: 40 }, () => Date.UTC(2026, 0, 1));
    const honest = { limitMax: 10, saysLimit: true, order: "newest", byDay: false, filters: true } as const;
    const { end } = await list(same, honest, { canDivide: true, limit: 10, limitMax: 10 }, ALL);
    expect(end).toMatchObject({ complete: false, reason: expect.stringContaining("raise listLimit") });
  });

  test("gives items of the window only, whatever the server answers", async () => {
    const given = Array.from({ length: 30 }, (_, day) => Date.UTC(2026, 0, 1) + day * DAY_MS);
    const ignoring = { limitMax: 1_000, saysLimit: true, order: "newest", byDay: false, filters: false } as const;
    const window = { from: Date.UTC(2026, 0, 5), to: Date.UTC(2026, 0, 7) };
    const { seen } = await list(given, ignoring, { canDivide: false, limit: 10, limitMax: 1_000 }, window);
    expect([...seen].sort()).toEqual(["m4", "m5", "m6"]);
  });
});

describe("a listing without windows", () => {
  const given = Array.from({ length: 200 }, (_, day) => Date.UTC(2026, 0, 1) + day * DAY_MS);
  const base = { saysLimit: true, order: "newest", byDay: false, filters: false } as const;

  test("asks for more until all have come", async () => {
    const { seen, end } = await list(
      given,
      { ...base, limitMax: 1_000 },
      { canDivide: false, limit: 10, limitMax: 1_000 },
      ALL,
    );
    expect(seen.size).toBe(200);
    expect(end).toMatchObject({ complete: true, requests: 4 });
  });

  test("says that it is not complete where the server gives no more", async () => {
    const { end } = await list(given, { ...base, limitMax: 50 }, { canDivide: false, limit: 10, limitMax: 1_000 }, ALL);
    expect(end).toMatchObject({ complete: false, reason: expect.stringContaining("50 items at most") });
  });
});
