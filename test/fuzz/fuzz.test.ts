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
  // The run ends by its requests.
  const report = await runFuzz({ seed: 1, requests: 2_000, minutes: 12, stores });
  expect(report.violations).toEqual([]);
  expect(report.requests).toBe(2_000);
  // The requests by chance reach the handlers too, not only their doors: about half of the operations.
  expect(report.onlyOnTour.length).toBeLessThan((operations.length * 3) / 4);
  // An exception that nothing stands for would hide an operation.
  expect(operations.map(({ operationId }) => operationId)).toEqual(expect.arrayContaining(Object.keys(UNREACHED)));
});
