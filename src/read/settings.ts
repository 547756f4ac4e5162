import * as z from "zod";
import { milliseconds } from "../domain/settings.ts";

/** Reads. */
export const readSettings = z.strictObject({
  cacheTimeoutMs: milliseconds(1)
    .default(1_000)
    .describe("Milliseconds that a read waits for Redis before it asks Postgres"),
});
