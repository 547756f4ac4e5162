import { expect, test } from "vitest";
import { parseTime } from "../../../src/connectors/memory-space/times.ts";

test.each([
  ["2026-11-29T03:04:05Z", "2026-11-29T03:04:05.000Z"],
  ["2026-11-29T03:04:05.123456Z", "2026-11-29T03:04:05.123Z"],
  ["2026-11-29T03:04:05.1+02:00", "2026-11-29T01:04:05.100Z"],
  ["2026-11-29T03:04:05-0330", "2026-11-29T06:34:05.000Z"],
  ["2026-11-29T03:04:05", "2026-11-29T03:04:05.000Z"],
  ["2026-11-29 03:04:05", "2026-11-29T03:04:05.000Z"],
  ["2026-11-29 03:04:05.987654", "2026-11-29T03:04:05.987Z"],
  ["2026-11-29", "2026-11-29T00:00:00.000Z"],
])("%s is read as UTC where it has no zone", (text, expected) => {
  expect(new Date(parseTime(text) ?? Number.NaN).toISOString()).toBe(expected);
});

test.each(["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-29T25:00:00Z", 1_700_000_000, null, undefined, {}])(
  "%s is no time",
  (value) => {
    expect(parseTime(value)).toBeNull();
  },
);
