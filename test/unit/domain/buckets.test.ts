import { describe, expect, test } from "vitest";
import { BucketDigests, BucketSet } from "../../../src/domain/buckets.ts";
import fc from "../../support/properties.ts";

const uint64 = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(0n, 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n),
);
const bucket = fc.oneof(fc.nat(65_535), fc.constantFrom(0, 1, 65_535));
const entries = fc.array(fc.record({ bucket, digest: uint64 }), { maxLength: 60 });
const hex = (value: bigint): string => value.toString(16).padStart(16, "0");
const joined = (high: number | undefined, low: number | undefined): bigint =>
  (BigInt(high ?? 0) << 32n) | BigInt(low ?? 0);

describe("bucket digests", () => {
  test("are count, xor, and sum modulo 2^64, as big integers have them", () => {
    const reused = new BucketDigests();
    fc.assert(
      fc.property(entries, (list) => {
        for (const part of ["counts", "xorHigh", "xorLow", "sumHigh", "sumLow"] as const) reused[part].fill(0);
        const expected = new Map<number, { count: number; xor: bigint; sum: bigint }>();
        for (const { bucket, digest } of list) {
          reused.addHex(bucket, hex(digest));
          const before = expected.get(bucket) ?? { count: 0, xor: 0n, sum: 0n };
          expected.set(bucket, {
            count: before.count + 1,
            xor: before.xor ^ digest,
            sum: BigInt.asUintN(64, before.sum + digest),
          });
        }
        expect(reused.total).toBe(list.length);
        for (const [at, { count, xor, sum }] of expected) {
          expect(reused.counts[at]).toBe(count);
          expect(joined(reused.xorHigh[at], reused.xorLow[at])).toBe(xor);
          expect(joined(reused.sumHigh[at], reused.sumLow[at])).toBe(sum);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("that are merged from parts equal those of the whole, in any order", () => {
    fc.assert(
      fc.property(entries, fc.nat(60), (list, cut) => {
        const [whole, first, second] = [new BucketDigests(), new BucketDigests(), new BucketDigests()];
        for (const { bucket, digest } of list) whole.addHex(bucket, hex(digest));
        list.forEach(({ bucket, digest }, place) => {
          (place < cut ? first : second).addHex(bucket, hex(digest));
        });
        for (const at of new Set(list.map(({ bucket }) => bucket))) {
          first.merge(
            at,
            second.counts[at]!,
            second.xorHigh[at]!,
            second.xorLow[at]!,
            second.sumHigh[at]!,
            second.sumLow[at]!,
          );
        }
        expect(first.differences(whole)).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test("differ where, and only where, something differs", () => {
    const [a, b] = [new BucketDigests(), new BucketDigests()];
    for (const digests of [a, b]) digests.addHex(7, "0123456789abcdef");
    expect(a.differences(b)).toEqual([]);
    a.addHex(65_535, "0000000000000001");
    b.addHex(0, "0000000000000000");
    expect(a.differences(b)).toEqual([0, 65_535]);
    expect(b.differences(a)).toEqual([0, 65_535]);
  });

  test("see an entry that stands twice, which a xor alone would not", () => {
    const [twice, none] = [new BucketDigests(), new BucketDigests()];
    twice.addHex(3, "00000000deadbeef");
    twice.addHex(3, "00000000deadbeef");
    expect(twice.xorLow[3]).toBe(0);
    expect(twice.differences(none)).toEqual([3]);
  });

  test("see changes that cancel each other in the sum, or in the count", () => {
    const [a, b] = [new BucketDigests(), new BucketDigests()];
    for (const digest of ["0000000000000001", "0000000000000004"]) a.addHex(9, digest);
    for (const digest of ["0000000000000002", "0000000000000003"]) b.addHex(9, digest);
    expect(a.sumLow[9]).toBe(b.sumLow[9]);
    expect(a.differences(b)).toEqual([9]);
  });
});

test("a bucket set counts its members once and gives them back in order", () => {
  const set = new BucketSet();
  expect([set.size, set.values(), set.has(0)]).toEqual([0, [], false]);
  for (const member of [500, 0, 65_535, 500]) set.add(member);
  expect([set.size, set.values()]).toEqual([3, [0, 500, 65_535]]);
  expect([set.has(500), set.has(501), set.has(65_535)]).toEqual([true, false, true]);
});
