import { decodeTime, isValid } from "ulid";
import { expect, test } from "vitest";
import { newUlid } from "../../../src/runtime/ulid.ts";

test("ids are ULIDs of now, and each is new", () => {
  const before = Date.now();
  // More than the random bytes in stock are enough for.
  const ids = Array.from({ length: 2_000 }, newUlid);
  expect(new Set(ids).size).toBe(2_000);
  for (const id of ids) {
    expect(isValid(id)).toBe(true);
    expect(decodeTime(id)).toBeGreaterThanOrEqual(before);
    expect(decodeTime(id)).toBeLessThanOrEqual(Date.now());
  }
  // All of the alphabet at each of the random places: 2,000 draws of 32 leave one out with a chance of 1e-25.
  for (let place = 10; place < 26; place++) expect(new Set(ids.map((id) => id[place])).size).toBe(32);
});
