import { afterAll, expect, vi } from "vitest";

/**
 * For files of tests that share a process: what a file changes there and leaves behind fails that file, rather than one that
 * comes after it. Runs before each file.
 */

const before = state();

afterAll(() => {
  const after = state();
  vi.useRealTimers();
  expect(after, "what the file left behind in the process that it shares").toEqual(before);
});

function state() {
  return {
    isTimeFaked: vi.isFakeTimers(),
    folder: process.cwd(),
    environment: { ...process.env },
    clock: globalThis.Date,
    fetch: globalThis.fetch,
  };
}
