import { expect, test } from "vitest";
import { describe, runReplicaChaos } from "./replica-chaos.ts";

/** The short form of `npm run chaos:replica -- --seed S --minutes M`. */
const seed = Number(process.env.MNEMOSYNC_CHAOS_SEED ?? 1);
const minutes = Number(process.env.MNEMOSYNC_CHAOS_MINUTES ?? 0.6);

test(`under random faults of two clusters the replica keeps its promises (seed ${seed})`, {
  timeout: minutes * 60_000 + 300_000,
}, async () => {
  const result = await runReplicaChaos({ seed, minutes, log: () => undefined });
  expect(result.violations, describe(result, seed).join("\n")).toEqual([]);
  // A run in which nothing was written, or nothing broke, would prove nothing.
  expect(result.writes.total).toBeGreaterThan(100);
  expect(result.reads.total).toBeGreaterThan(100);
  expect(result.faults.names.length).toBeGreaterThan(3);
});
