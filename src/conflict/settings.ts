import * as z from "zod";
import { milliseconds, ONCE } from "../domain/settings.ts";
import { BUILT_IN_STRATEGIES, DEFAULT_STRATEGY } from "./registry.ts";

/** Conflict strategies. */
export const conflictSettings = z.strictObject({
  repairStrategy: z
    .string()
    .min(1)
    .max(64)
    .default(DEFAULT_STRATEGY)
    .describe("Conflict strategy of repairs where both sides may be right"),
  strategyTimeoutMs: milliseconds(1)
    .default(5_000)
    .describe("Milliseconds that a conflict strategy may take for one conflict"),
  preferStoreOrder: z
    .array(z.string().min(1).max(63))
    .min(1)
    .optional()
    .describe("Store ids in the order that the strategy prefer_store follows; postgres first by default"),
  versionVectorFallback: z
    .enum(BUILT_IN_STRATEGIES)
    .exclude(["version_vector"])
    .default(DEFAULT_STRATEGY)
    .describe("Strategy for conflicts that version_vector cannot decide, because the writes were concurrent"),
});

/** The defaults, for parts that are made without a configuration. */
export const CONFLICT_DEFAULTS = conflictSettings.parse({}, ONCE);
