import { test } from "vitest";
import { mergedCase } from "../support/merged-model.ts";
import { checkMergedReads } from "../support/merged-properties.ts";
import fc from "../support/properties.ts";

/**
 * Goal: whatever state two sides are in, no merged read shows what the primary deleted, withheld or erased, nothing is missing
 * that the truth has, and pages have neither holes nor repeats. Method: random histories of a primary, of a replica that follows it
 * at any lag, of pruning, losses, restores and refused changes; then all reads, held against what the memories say in truth. The deep run
 * has more states.
 */
test("merged reads show what the truth has, and nothing that was deleted", async () => {
  await fc.assert(fc.asyncProperty(mergedCase, checkMergedReads), { numRuns: 500 });
}, 300_000);
