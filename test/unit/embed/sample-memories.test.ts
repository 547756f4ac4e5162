import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MemoryValidator } from "../../../src/domain/schema.ts";

const lines = readFileSync(new URL("../../../samples/memories.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n");

test("every sample memory is valid, and no id and no content occurs twice", () => {
  const validator = new MemoryValidator();
  const memories = lines.map((line) => validator.validate(JSON.parse(line)));
  expect(memories).toHaveLength(300);
  expect(new Set(memories.map(({ memoryId }) => memoryId)).size).toBe(300);
  expect(new Set(memories.map(({ document }) => document.content)).size).toBe(300);
  expect(new Set(memories.map(({ document }) => document.memoryType))).toEqual(
    new Set(["episodic", "semantic", "procedural"]),
  );
});
