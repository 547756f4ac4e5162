import { expect, test } from "vitest";
import { retryAfterMs } from "../../../src/embed/retry-after.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");

test.each<[string | null, number | undefined]>([
  [null, undefined],
  ["", undefined],
  ["7", 7000],
  [" 0 ", 0],
  ["1.5", 1500],
  ["-5", undefined],
  ["soon", undefined],
  ["99999999999999", undefined],
  ["1e3", undefined],
  ["Sun, 01 Mar 2026 12:00:30 GMT", 30_000],
  ["Sunday, 01-Mar-26 12:00:30 GMT", 30_000],
  ["Sun, 01 Mar 2026 11:00:00 GMT", 0],
  ["Sun, 45 Mar 2026 11:00:00 GMT", undefined],
])("Retry-After %j asks to wait %s ms", (header, expected) => {
  expect(retryAfterMs(header, NOW)).toBe(expected);
});
