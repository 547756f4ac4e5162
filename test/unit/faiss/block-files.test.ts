import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { BlockFiles } from "../../../src/stores/faiss/protocol/block-files.ts";
import { checkFlatFile, FlatFormatError } from "../../../src/stores/faiss/protocol/flat-block.ts";
import { temporaryFolder } from "./support.ts";

const shape = { dimension: 4, metric: "ip" as const };
let folder: string;
beforeEach(async () => {
  const { path, remove } = await temporaryFolder();
  folder = path;
  return remove;
});

test("a file is reused, and holds the last block even after a longer one", async () => {
  const files = new BlockFiles([folder]);
  const large = files.take(shape, 100);
  large.block.vectors.fill(7);
  const path = await large.write();
  large.reuse();
  const small = files.take(shape, 2);
  small.block.vectors.set([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(await small.write()).toBe(path);
  expect(await readdir(folder)).toHaveLength(1);
  const written = await readFile(path as string);
  expect(written.subarray(0, small.block.bytes.byteLength).equals(small.block.bytes)).toBe(true);
  expect(checkFlatFile(path as string, shape, { reused: true })).toBe(2);
  // Where files are not used again, bytes behind the end are damage.
  expect(() => checkFlatFile(path as string, shape)).toThrow(FlatFormatError);
  await files.close();
});

test("concurrent blocks share neither memory nor file", async () => {
  const files = new BlockFiles([folder]);
  const blocks = [1, 2, 3].map((number) => {
    const file = files.take(shape, 5);
    file.block.vectors.fill(number);
    return file;
  });
  const paths = await Promise.all(blocks.map((file) => file.write()));
  expect(new Set(paths).size).toBe(3);
  for (const [at, path] of paths.entries()) {
    expect((await readFile(path as string)).readFloatLE(45)).toBe(at + 1);
  }
  for (const file of blocks) file.reuse();
  await files.close();
});

test("a file that the host may still read is removed and never written again", async () => {
  const files = new BlockFiles([folder]);
  const first = files.take(shape, 5);
  const path = await first.write();
  await first.abandon();
  expect(await readdir(folder)).toEqual([]);
  const second = files.take(shape, 5);
  expect(await second.write()).not.toBe(path);
  await second.abandon();
});

test("a missing folder is skipped for the next one; without any folder there is no file", async () => {
  const [gone, there] = [join(folder, "gone"), join(folder, "there")];
  await mkdir(there);
  const files = new BlockFiles([gone, there]);
  const block = files.take(shape, 5);
  expect(await block.write()).toMatch(there);
  await block.abandon();
  await rm(there, { recursive: true });
  expect(await files.take(shape, 5).write()).toBeNull();
  await files.close();
});
