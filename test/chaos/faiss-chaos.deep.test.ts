import { expect, test } from "vitest";
import { runFaissChaos } from "./faiss-chaos.ts";

test("a FAISS host that is killed again and again loses nothing and answers nothing wrong", {
  timeout: 90_000,
}, async () => {
  const result = await runFaissChaos({ seed: 5, kills: 10, budgetMs: 45_000, log: () => undefined });
  expect(result.violations).toEqual([]);
  expect(result.kills).toBeGreaterThan(3);
  expect(result.publishes).toBeGreaterThan(0);
  expect(result.searches).toBeGreaterThan(0);
});
