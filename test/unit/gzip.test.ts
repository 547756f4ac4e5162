import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { packed, unpacked, unpackedAtOnce } from "../../src/runtime/gzip.ts";

const large = Buffer.alloc(300_000, "many bytes of few ");

test("small and large bytes come back as they were", async () => {
  for (const bytes of [Buffer.from(""), Buffer.from("a text"), large]) {
    const sent = await packed(bytes);
    expect(gunzipSync(sent).equals(bytes)).toBe(true);
    expect((await unpacked(sent, large.byteLength))?.equals(bytes)).toBe(true);
  }
});

test("what grows beyond its bound is not unpacked: in this thread, and at all", async () => {
  const bomb = gzipSync(large);
  expect(unpackedAtOnce(bomb)).toBeNull();
  expect(await unpacked(bomb, large.byteLength - 1)).toBeNull();
  expect(await unpacked(gzipSync("a text"), 5)).toBeNull();
});

test("bytes that are no whole gzip are an error", async () => {
  const cut = gzipSync("a text that is cut").subarray(0, -9);
  expect(() => unpackedAtOnce(cut)).toThrow("unexpected end of file");
  await expect(unpacked(Buffer.from("no gzip"), 100)).rejects.toThrow("incorrect header check");
});
