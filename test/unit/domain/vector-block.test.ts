import { describe, expect, test } from "vitest";
import { SharedVectorBlocks } from "../../../src/domain/vector-block.ts";

/** Numbers in a shared block. */
const BLOCK = 16_384;

describe("shared blocks of vectors", () => {
  test("copy vectors one behind the other, and begin a new block when one is full", () => {
    const blocks = new SharedVectorBlocks();
    const given = Array.from({ length: 2 * 64 }, (_, turn) => Float32Array.from({ length: 256 }, (_, at) => turn + at));
    const copies = given.map((vector) => blocks.copy(vector));
    const memories = new Set(copies.map((copy) => copy?.buffer));
    expect(memories.size).toBe(2);
    expect([...memories].map((memory) => memory?.byteLength)).toEqual([BLOCK * 4, BLOCK * 4]);
    for (const vector of given) vector.fill(-1); // A copy is its own.
    copies.forEach((copy, turn) => {
      expect(copy).toEqual(Float32Array.from({ length: 256 }, (_, at) => turn + at));
    });
  });

  test("leave a vector that would take more than a quarter to its caller", () => {
    const blocks = new SharedVectorBlocks();
    expect(blocks.copy(new Float32Array(BLOCK / 4))?.length).toBe(BLOCK / 4);
    expect(blocks.copy(new Float32Array(BLOCK / 4 + 1))).toBeUndefined();
  });
});
