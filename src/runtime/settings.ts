import * as z from "zod";
import { milliseconds } from "../domain/settings.ts";

/** Metrics. */
export const metricsSettings = z.strictObject({
  metricsFreshMs: milliseconds(0)
    .default(5_000)
    .describe("Milliseconds for which scrapes share one reading of the gauges that need a query"),
});
