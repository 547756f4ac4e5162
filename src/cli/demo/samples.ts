import { createReadStream } from "node:fs";
import { fileURLToPath } from "node:url";
import type { MemoryInput } from "../../index.ts";
import { readJsonLines } from "../../portable/json-lines.ts";

/** In the package's root, as far up from `src/` as from `dist/`. */
const SAMPLE_FILE = fileURLToPath(new URL("../../../samples/memories.jsonl", import.meta.url));

/** What people call the file. */
export const SAMPLE_NAME = "samples/memories.jsonl";

/** The memories that the package brings along. */
export async function readSamples(): Promise<MemoryInput[]> {
  const samples: MemoryInput[] = [];
  for await (const { content, number } of readJsonLines(createReadStream(SAMPLE_FILE))) {
    if ("flaw" in content) throw new Error(`${SAMPLE_FILE}, line ${number}: ${content.flaw}`);
    samples.push(content.value as MemoryInput);
  }
  return samples;
}
