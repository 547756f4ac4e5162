import { expect, inject, test } from "vitest";
import { postgresUrl } from "../support/services.ts";
import { runFuzz } from "./fuzz.ts";

test("30,000 requests, or those of two minutes, with another seed: no promise is broken", {
  timeout: 420_000,
}, async () => {
  const stores = { postgresUrl: postgresUrl(), redisUrl: inject("redisUrl") };
  const report = await runFuzz({ seed: 20_261, requests: 30_000, minutes: 2, stores });
  expect(report.violations).toEqual([]);
  expect(report.requests).toBeGreaterThan(1_000);
});
