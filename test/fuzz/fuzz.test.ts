import { expect, inject, test } from "vitest";
import { postgresUrl } from "../support/services.ts";
import { operations } from "./document.ts";
import { runFuzz } from "./fuzz.ts";

/** Goal: whatever is sent, the service answers as `docs/openapi.json` says. Method: a short run of `npm run fuzz`. */

test("2,000 requests made from the OpenAPI document, most of them mutated: no promise is broken", {
  timeout: 120_000,
}, async () => {
  const stores = { postgresUrl: postgresUrl(), redisUrl: inject("redisUrl") };
  const report = await runFuzz({ seed: 1, requests: 2_000, minutes: 1.5, stores });
  expect(report.violations).toEqual([]);
  expect(report.requests).toBe(2_000);
  // The run reaches the handlers, and not only their doors. An operation gets some 35 of the requests, most of them malformed.
  expect(report.operationsAnswered2xx).toBeGreaterThan(operations.length / 2);
});
