import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ValidationError } from "../../../src/domain/errors.ts";
import { loadFaiss } from "../../../src/stores/faiss/host/faiss.ts";
import {
  checkFlatFile,
  checkFlatHeader,
  createFlatBlock,
  FLAT_HEADER_BYTES,
  FlatFormatError,
  flatFileBytes,
} from "../../../src/stores/faiss/protocol/flat-block.ts";
import { projectChecked, projectVector, scoreOf } from "../../../src/stores/faiss/protocol/metric.ts";
import { randomNumbers, randomVector, temporaryFolder } from "./support.ts";

for (const metric of ["cosine", "ip", "l2"] as const) {
  test(`a block is byte for byte what FAISS itself writes (${metric})`, async () => {
    const folder = await temporaryFolder();
    onTestFinished(folder.remove);
    const shape = { metric, dimension: 5 };
    const block = createFlatBlock(shape, 3);
    block.vectors.set(randomVector(randomNumbers(1), 15));
    const faiss = loadFaiss();
    const type = metric === "l2" ? faiss.IndexFlatL2 : faiss.IndexFlatIP;
    const index = new type(5);
    index.add(Array.from(block.vectors));
    index.write(join(folder.path, "theirs"));
    expect(block.bytes.equals(await readFile(join(folder.path, "theirs")))).toBe(true);
    await writeFile(join(folder.path, "ours"), block.bytes);
    expect(checkFlatFile(join(folder.path, "ours"), shape)).toBe(3);
    expect(type.read(join(folder.path, "ours")).ntotal()).toBe(3);
  });
}

test("a truncated block, one of another shape and an invalid one are rejected before FAISS reads them", () => {
  const shape = { metric: "ip" as const, dimension: 4 };
  const { bytes } = createFlatBlock(shape, 2);
  expect(bytes.byteLength).toBe(flatFileBytes(shape, 2));
  expect(checkFlatHeader(bytes, bytes.byteLength, shape)).toBe(2);
  const wrong: (() => number)[] = [
    () => checkFlatHeader(bytes, bytes.byteLength - 1, shape),
    () => checkFlatHeader(bytes.subarray(0, 10), 10, shape),
    () => checkFlatHeader(bytes, bytes.byteLength, { metric: "l2", dimension: 4 }),
    () => checkFlatHeader(bytes, bytes.byteLength, { metric: "ip", dimension: 8 }),
    () => checkFlatHeader(Buffer.alloc(100), 100, shape),
    () => checkFlatHeader(Buffer.alloc(100, 0xff), 100, shape),
  ];
  for (const check of wrong) expect(check).toThrow(FlatFormatError);
  for (let at = 0; at < FLAT_HEADER_BYTES; at++) {
    const broken = Buffer.from(bytes);
    broken[at]! ^= 0x10;
    expect(() => checkFlatHeader(broken, broken.byteLength, shape), `byte ${at}`).toThrow(FlatFormatError);
  }
});

test("cosine stores unit vectors, rounded once; the other metrics store vectors unchanged", () => {
  const vector = Float32Array.of(3, 4);
  expect(projectVector("cosine", vector)).toEqual(Float32Array.of(Math.fround(0.6), Math.fround(0.8)));
  expect(projectVector("ip", vector)).toBe(vector);
  expect(projectVector("l2", vector)).toBe(vector);
});

test("cosine accepts the largest and the smallest float32 vectors", () => {
  const largest = projectVector("cosine", Float32Array.of(3.4e38, -3.4e38));
  expect(largest[0]).toBeCloseTo(Math.SQRT1_2, 7);
  const smallest = projectVector("cosine", Float32Array.of(1.4e-45, 0));
  expect(smallest).toEqual(Float32Array.of(1, 0));
});

test("a vector of zeros, with non-finite numbers or of another dimension is refused", () => {
  expect(() => projectVector("cosine", new Float32Array(3))).toThrow(ValidationError);
  expect(projectVector("l2", new Float32Array(3))).toEqual(new Float32Array(3));
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(() => projectVector("ip", Float32Array.of(1, bad))).toThrow(ValidationError);
  }
  expect(() => projectChecked({ metric: "ip", dimension: 2 }, new Float32Array(3))).toThrow(/has 3 numbers/);
});

test("scores are higher for nearer vectors under every metric, within their bounds", () => {
  expect(scoreOf("cosine", 1.0000001)).toBe(1);
  expect(scoreOf("cosine", -1.0000001)).toBe(-1);
  expect(scoreOf("ip", 12.5)).toBe(12.5);
  expect(scoreOf("l2", 9)).toBe(-3);
  expect(Object.is(scoreOf("l2", -1e-7), 0)).toBe(true);
});

test("the binding is installed", () => {
  expect(createRequire(import.meta.url).resolve("faiss-node")).toContain("faiss-node");
  expect(loadFaiss().IndexFlatIP).toBeTypeOf("function");
});
