import { expect, inject, test } from "vitest";
import { postgresUrl } from "../support/services.ts";
import { operations } from "./document.ts";
import { runFuzz } from "./fuzz.ts";
import { UNREACHED } from "./tour.ts";

/**
 * Goal: whatever is sent, the service answers as `docs/openapi.json` says. Method: a short run of `npm run fuzz`. Its tour asks
 * each operation once as it should be asked: what is not answered 2xx is a violation.
 */

test("a valid request of each operation, and 2,000 made from the OpenAPI document, most of them mutated: no promise is broken", {
  timeout: 900_000,
}, async () => {
  const stores = { postgresUrl: postgresUrl(), redisUrl: inject("redisUrl") };
  // Minutes that a machine with much else to do may need: the run ends by its requests.
  const report = await runFuzz({ seed: 1, requests: 2_000, minutes: 10, stores });
  expect(report.violations).toEqual([]);
  expect(report.requests).toBe(2_000);
  // An exception that nothing stands for would hide an operation.
  expect(operations.map(({ operationId }) => operationId)).toEqual(expect.arrayContaining(Object.keys(UNREACHED)));
});
