import { expect, inject, test } from "vitest";
import { postgresUrl } from "../support/services.ts";
import { runFuzz } from "./fuzz.ts";

test("100,000 requests, or those of five minutes, with another seed: no promise is broken", {
  timeout: 600_000,
}, async () => {
  const stores = { postgresUrl: postgresUrl(), redisUrl: inject("redisUrl") };
  const report = await runFuzz({ seed: 20_261, requests: 100_000, minutes: 5, stores });
  expect(report.violations).toEqual([]);
  expect(report.requests).toBeGreaterThan(1_000);
});
