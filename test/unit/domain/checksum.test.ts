import { describe, expect, test } from "vitest";
import { checksumOf, embeddingBytes, embeddingFromBytes, entryDigest } from "../../../src/domain/checksum.ts";
import { bucketOf } from "../../../src/domain/keys.ts";
import { encodeMemory, putChange } from "../../../src/domain/memory.ts";
import { MemoryValidator } from "../../../src/domain/schema.ts";

/**
 * Known answers: what others compute from the same data, in other languages. Made with sha256sum and Python's hashlib:
 *   printf '{"content":…,"privacy":"full"}\0' | sha256sum
 */
const PLAIN = "a2583285194533e4e921898ef33bc8b3d376b31d46d2a677486c7eb715524b15";
const WITH_VECTOR = "c3a36410265be487fe93de600ac106b9b5bc0fe03b57cfa7c6e1d80aebdbdd2f";
const WITH_ALL = "9cdfc9ffd0c79403b89ad397ae62a03abff1fb2fb1d41942b97d54a52df59711";

const validator = new MemoryValidator();
const cat = { memoryId: "m1", content: "The cat sleeps.", memoryType: "episodic" };

describe("the checksum", () => {
  test("of a memory without a vector is that of its canonical JSON and a zero byte", () => {
    expect(validator.encode(validator.validate(cat)).checksum).toBe(PLAIN);
  });

  test("goes on over the vector's float32 bytes, little-endian", () => {
    const memory = validator.validate({ ...cat, embedding: [0.5, -0.25, 1, 0] });
    expect(validator.encode(memory).checksum).toBe(WITH_VECTOR);
  });

  test("covers model, expiry, privacy, every kind of number, and keys beyond ASCII", () => {
    const memory = validator.validate({
      memoryId: "anything",
      namespace: "tenant",
      content: 'é€😀\n"',
      memoryType: "note",
      importance: 1,
      metadata: { "\ufb33": false, "😀": true, é: null, b: [1e21, 5e-324, -0, 0.1, 2 ** 53], a: 1 },
      embedding: [0.1, -0],
      embeddingModel: "model-a",
      expiresAt: "2030-01-31T13:00:00+01:00",
      privacy: "local_only",
    });
    expect(validator.encode(memory).checksum).toBe(WITH_ALL);
  });

  test("does not depend on the memory's name, and tells an absent vector from an empty text after it", () => {
    const elsewhere = validator.validate({ ...cat, memoryId: "other", namespace: "other" });
    expect(validator.encode(elsewhere).checksum).toBe(PLAIN);
    expect(checksumOf("a", null)).toBe(checksumOf("a", new Float32Array(0)));
    expect(checksumOf("a", null)).not.toBe(checksumOf("a\u0000", null));
  });

  test("is the same over text and over its bytes, a vector and its bytes", () => {
    const vector = Float32Array.of(1, -2, 3.5);
    expect(checksumOf(Buffer.from("é"), embeddingBytes(vector))).toBe(checksumOf("é", vector));
  });
});

describe("the entry digest and the bucket", () => {
  test.each([
    [{ namespace: "default", memoryId: "m1" }, 1, PLAIN, "b4cfce1949fa9944", 13_745],
    [{ namespace: "tenant.a", memoryId: "é€😀" }, 9_007_199_254_740_991, "ab".repeat(32), "1955bb0aeab33f14", 63_285],
  ])("of %o have known answers", (key, version, checksum, digest, bucket) => {
    expect(entryDigest(key, version, checksum)).toBe(digest);
    expect(bucketOf(key)).toBe(bucket);
  });

  test.each([
    ["default", "", 48_026],
    ["a", "b:c", 62_552],
  ])("bucket of %s / %s", (namespace, memoryId, bucket) => {
    expect(bucketOf({ namespace, memoryId })).toBe(bucket);
  });

  test("are part of a change, with what the projections need", () => {
    const key = { namespace: "default", memoryId: "m1" };
    const document = {
      ...validator.validate(cat).document,
      expiresAt: "2030-01-31T12:00:00.000Z",
      embeddingModel: "m",
    };
    const change = putChange(encodeMemory(key, document, null), 3, { versionVector: { node: 3 }, modifiedAt: 17 });
    expect(change).toMatchObject({ ...key, kind: "put", version: 3, versionVector: { node: 3 }, modifiedAt: 17 });
    expect(change).toMatchObject({ expiresAt: Date.UTC(2030, 0, 31, 12), embeddingModel: "m", embedding: null });
    expect(change.digest).toBe(entryDigest(key, 3, change.checksum));
  });
});

test("a vector's bytes read back bit for bit, from any offset", () => {
  const vector = Float32Array.of(0.1, -0, 2 ** -149, 3.4028234663852886e38, -1);
  const shifted = Buffer.concat([Buffer.from([7]), embeddingBytes(vector)]).subarray(1);
  const back = embeddingFromBytes(shifted);
  expect(Buffer.from(back.buffer)).toEqual(Buffer.from(vector.buffer));
  shifted.fill(0);
  expect(back[0]).toBe(Math.fround(0.1)); // A copy.
});
