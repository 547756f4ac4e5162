import type { MemoryInput } from "../../src/index.ts";
import { randomNumbers, unitVector } from "../../src/testing/vectors.ts";

export { randomNumbers, unitVector };

/** The memory number `number`: the same one every time, another direction for each. */
export function sampleMemory(number: number, dimension: number, fields: Partial<MemoryInput> = {}): MemoryInput {
  return {
    memoryId: `m${number}`,
    content: `memory number ${number}`,
    memoryType: "episodic",
    importance: 0.5,
    metadata: { number, tags: ["sample", `tag${number % 7}`] },
    embedding: unitVector(number, dimension),
    ...fields,
  };
}

export function sampleMemories(count: number, dimension: number, start = 0): MemoryInput[] {
  return Array.from({ length: count }, (_, index) => sampleMemory(start + index, dimension));
}
