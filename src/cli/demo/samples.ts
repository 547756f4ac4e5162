import { createReadStream } from "node:fs";
import type { MemoryInput } from "../../index.ts";
import { packageFile } from "../../runtime/package-files.ts";
import { readJsonLines } from "../../transfer/json-lines.ts";

/** What people call the file. */
export const SAMPLE_NAME = "samples/memories.jsonl";

/** The memories that the package brings along. */
export async function readSamples(): Promise<MemoryInput[]> {
  const samples: MemoryInput[] = [];
  const path = packageFile(...SAMPLE_NAME.split("/"));
  for await (const { content, number } of readJsonLines(createReadStream(path))) {
    if ("flaw" in content) throw new Error(`${path}, line ${number}: ${content.flaw}`);
    samples.push(content.value as MemoryInput);
  }
  return samples;
}
