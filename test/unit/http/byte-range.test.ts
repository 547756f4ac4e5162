import { expect, test } from "vitest";
import { askedBytes } from "../../../src/http/byte-range.ts";

test.each([
  [undefined, 10, "all"],
  ["bytes=0-", 10, { start: 0, end: 9 }],
  ["bytes=3-5", 10, { start: 3, end: 5 }],
  ["bytes=3-500", 10, { start: 3, end: 9 }],
  ["bytes=-4", 10, { start: 6, end: 9 }],
  ["bytes=-400", 10, { start: 0, end: 9 }],
  ["bytes=9-9", 10, { start: 9, end: 9 }],
  ["bytes=10-", 10, "none"],
  ["bytes=-0", 10, "none"],
  ["bytes=0-", 0, "none"],
  // What is no range that is known here is passed over.
  ["bytes=5-3", 10, "all"],
  ["bytes=0-1,3-4", 10, "all"],
  ["bytes=-", 10, "all"],
  ["items=0-1", 10, "all"],
  ["bytes=99999999999999999999-", 10, "all"],
])("%s of %i bytes", (range, size, asked) => {
  expect(askedBytes(range, size)).toEqual(asked);
});
