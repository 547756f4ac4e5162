import { expect, onTestFinished, test } from "vitest";
import { postgresUrl } from "../support/services.ts";
import { createTestDatabase } from "../support/template-database.ts";
import { soakChecks } from "./check-soak.ts";

test("checks back to back beside writers and a draining backlog find what was done on purpose, and nothing else", {
  timeout: 90_000,
}, async () => {
  const database = await createTestDatabase(postgresUrl());
  onTestFinished(() => database.drop());
  const result = await soakChecks({ seed: 1, seconds: 8, postgresUrl: database.url });
  expect(result.falseFindings).toEqual([]);
  expect(result.missed).toEqual([]);
  expect(result.checks).toBeGreaterThan(5);
  expect(result.injected).toBeGreaterThan(0);
  expect(result.writes).toBeGreaterThan(100);
});
