import * as z from "zod";
import { milliseconds, wholeNumber } from "../domain/settings.ts";
import { DRIFT_KINDS } from "./check/report.ts";

/** Checks, repairs and their background loop. */
export const consistencySettings = z.strictObject({
  consistencyCheckIntervalMs: milliseconds(10)
    .default(60_000)
    .describe("Milliseconds between passes of the consistency loop"),
  consistencySweepMs: milliseconds(10)
    .default(3_600_000)
    .describe("Milliseconds in which the consistency loop compares every memory once"),
  checkMemoriesPerSecondMax: wholeNumber(1, 10_000_000)
    .optional()
    .describe("Memories that a check compares, or a refill publishes, per second, at most; unlimited by default"),
  checkerLeaseMs: milliseconds(300)
    .default(15_000)
    .describe("Milliseconds within which another node takes over from a checking node that is gone"),
  repairKinds: z
    .array(z.enum(DRIFT_KINDS))
    .default(["missing", "stale", "ahead", "diverged", "corrupt", "orphan", "resurrected"])
    .describe("Kinds of drift that the consistency loop repairs; it only reports the others"),
  repairsPerPassMax: wholeNumber(1, 1_000_000)
    .default(10_000)
    .describe(
      "Findings that the consistency loop repairs in one pass, at most; refilling a store that lost everything is no finding",
    ),
});
