import { test } from "vitest";
import { mergedCase } from "../support/merged-model.ts";
import { checkMergedReads } from "../support/merged-properties.ts";
import fc from "../support/properties.ts";

/** As `merged-reads.test.ts`, over ten times as many states. */
test("10,000 states of two sides: merged reads show what the truth has, and nothing that was deleted", async () => {
  await fc.assert(fc.asyncProperty(mergedCase, checkMergedReads), { numRuns: 10_000 });
}, 600_000);
