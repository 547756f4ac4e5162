import { expect, test } from "vitest";
import { BucketDigests } from "../../../src/domain/buckets.ts";
import { entryDigest } from "../../../src/domain/checksum.ts";
import { bucketOf } from "../../../src/domain/keys.ts";
import { PageDigest } from "../../../src/stores/redis/page-digest.ts";

/** Goal: pages of entries are summed as each entry alone would be, and nothing that is no entry is taken for one. */

const PREFIX = "p:memory:";
const CHECKSUM = "ab".repeat(32);

function sumOf(...parts: readonly string[]) {
  const digests = new BucketDigests();
  const taken = new PageDigest(PREFIX, digests).add(Buffer.from(`${parts.join("\0")}\0`), parts.length / 3);
  return { digests, taken };
}

test("the digest of a page is the sum of its entries' digests", () => {
  const keys = ["m1", "m:2", "ä"].map((memoryId) => ({ namespace: "team", memoryId }));
  const expected = new BucketDigests();
  for (const key of keys) expected.addHex(bucketOf(key), entryDigest(key, 7, CHECKSUM));
  const { digests, taken } = sumOf(...keys.flatMap(({ memoryId }) => [`${PREFIX}team:${memoryId}`, "7", CHECKSUM]));
  expect(taken).toBe(true);
  expect(digests.differences(expected)).toEqual([]);
});

test.each([
  ["a version that is no number", "team:m1", "1x", CHECKSUM, { namespace: "team", memoryId: "m1" }],
  ["no version", "team:m1", "", CHECKSUM, { namespace: "team", memoryId: "m1" }],
  ["a checksum of another length", "team:m1", "1", `${CHECKSUM}0`, { namespace: "team", memoryId: "m1" }],
  ["a key without a namespace", "m1", "1", CHECKSUM, { namespace: "", memoryId: "m1" }],
])("%s makes its bucket differ from any ledger's", (_, key, version, checksum, named) => {
  const expected = new BucketDigests();
  expected.add(bucketOf(named), 0, 0);
  const { digests, taken } = sumOf(PREFIX + key, version, checksum);
  expect(taken).toBe(true);
  expect(digests.differences(expected)).toEqual([]);
});

test("a page with a NUL within a key or a field is not summed at all", () => {
  for (const parts of [
    [`${PREFIX}team:m\u00001`, "1", CHECKSUM],
    [`${PREFIX}team:m1`, "1", CHECKSUM, `${PREFIX}team:m2`, "1", `${CHECKSUM.slice(1)}\0`],
  ]) {
    const { digests, taken } = sumOf(...parts);
    expect(taken).toBe(false);
    expect(digests.differences(new BucketDigests())).toEqual([]);
  }
});

test("an empty page adds nothing", () => {
  const digests = new BucketDigests();
  expect(new PageDigest(PREFIX, digests).add(Buffer.alloc(0), 0)).toBe(true);
  expect(digests.total).toBe(0);
});
