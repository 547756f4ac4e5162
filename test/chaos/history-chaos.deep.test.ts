import { expect, test } from "vitest";
import { describe, runChaos } from "./chaos.ts";

/** The short form of `npm run chaos -- --seed S --minutes M --faults history`. */
const seed = Number(process.env.MNEMOSYNC_CHAOS_SEED ?? 3);
const minutes = Number(process.env.MNEMOSYNC_CHAOS_MINUTES ?? 1);

test(`while stores go back in time no promise is broken (seed ${seed})`, {
  timeout: minutes * 60_000 + 300_000,
}, async () => {
  const result = await runChaos({ seed, minutes, faults: "history", log: () => undefined });
  expect(result.violations, describe(result, seed).join("\n")).toEqual([]);
  expect(result.writes).toBeGreaterThan(100);
  expect(result.faults.size).toBeGreaterThan(3);
});
