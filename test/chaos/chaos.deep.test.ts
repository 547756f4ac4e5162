import { expect, test } from "vitest";
import { describe, runChaos } from "./chaos.ts";

/**
 * The short form of `npm run chaos -- --seed S --minutes M --faults plain`.
 */
const seed = Number(process.env.MNEMOSYNC_CHAOS_SEED ?? 1);
const minutes = Number(process.env.MNEMOSYNC_CHAOS_MINUTES ?? 1);

test(`under a minute of random faults no promise is broken (seed ${seed})`, {
  timeout: minutes * 60_000 + 240_000,
}, async () => {
  const result = await runChaos({ seed, minutes, faults: "plain", log: () => undefined });
  expect(result.violations, describe(result, seed).join("\n")).toEqual([]);
  // A run in which nothing was written, or nothing broke, would prove nothing.
  expect(result.writes).toBeGreaterThan(100);
  expect(result.faults.size).toBeGreaterThan(3);
});
