import { expect, test } from "vitest";
import { ScanPace } from "../../../src/read/scan-pace.ts";

/** A pace whose steps take as long as they are told, and look at every row that they may. */
function pacing(rowsMax: number) {
  let nowMs = 0;
  const pace = new ScanPace(rowsMax, () => nowMs);
  const step = async (tookMs: number) => {
    const scanned = pace.rows;
    await pace.step(async () => {
      nowMs += tookMs;
      return { scanned };
    });
    return scanned;
  };
  return { pace, step };
}

test("steps grow while they are fast, and shrink where they are slow, within bounds", async () => {
  const { pace, step } = pacing(Number.POSITIVE_INFINITY);
  for (let number = 0; number < 20; number++) await step(1);
  expect(pace.rows).toBe(20_000);
  await step(100);
  expect(pace.rows).toBe(20_000);
  for (let number = 0; number < 20; number++) await step(1_000);
  expect(pace.rows).toBe(50);
});

test("a page is spent after its budget of rows", async () => {
  const { pace, step } = pacing(2_000);
  let scanned = 0;
  while (!pace.isSpent(60_000)) scanned += await step(1);
  expect(scanned).toBeGreaterThanOrEqual(2_000);
  expect(scanned).toBeLessThan(4_000);
});

test("a page is spent before a further step would pass its deadline", async () => {
  const { pace, step } = pacing(Number.POSITIVE_INFINITY);
  let tookMs = 0;
  while (!pace.isSpent(1_000)) {
    await step(100);
    tookMs += 100;
  }
  expect(tookMs).toBe(700);
});
