import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Replication, type ReplicationParts } from "../../../src/replica/replication.ts";
import type { Log } from "../../../src/runtime/log.ts";

/**
 * Goal: changes wake the process that replicates, and no process that only waits for its turn.
 * Method: the loop over parts that do as they are told, on fake timers.
 */

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function open(options: { hasLease: boolean; isPaused: boolean }) {
  const seen = { passes: 0, tellNews: (): void => undefined };
  const nothing = async () => false;
  const parts = {
    replicator: { runOnce: async () => ({ complete: true }), fence: { writer: "w", epoch: "e1" } },
    hint: {
      lease: async () => {
        seen.passes += 1;
        return options.hasLease;
      },
      release: async () => undefined,
    },
    letters: { runOnce: nothing },
    erasures: { runOnce: nothing, register: async () => undefined },
    prepare: async () => undefined,
    isPaused: async () => options.isPaused,
    keepProof: async () => undefined,
    subscribe: (onNews: () => void) => {
      seen.tellNews = onNews;
      return () => undefined;
    },
    listen: async () => undefined,
    settings: { reconnectBackoffMs: 1_000, healthCheckIntervalMs: 1_000 },
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined } as Log,
    onState: () => undefined,
  } as unknown as ReplicationParts;
  const replication = new Replication(parts);
  replication.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(seen.passes).toBe(1);
  return { replication, seen };
}

test.for([
  { hasLease: true, isPaused: false, state: "following", passes: 2 },
  { hasLease: false, isPaused: false, state: "standby", passes: 1 },
  { hasLease: true, isPaused: true, state: "paused", passes: 1 },
])("$state: passes after news of the feed: $passes", async ({ hasLease, isPaused, state, passes }) => {
  const { replication, seen } = await open({ hasLease, isPaused });
  expect(replication.state).toBe(state);
  seen.tellNews();
  await vi.advanceTimersByTimeAsync(0);
  expect(seen.passes).toBe(passes);
  replication.wake(); // An operator's word counts in every state.
  await vi.advanceTimersByTimeAsync(0);
  expect(seen.passes).toBe(passes + 1);
  await replication.stop();
});
