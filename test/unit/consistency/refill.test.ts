import { expect, test } from "vitest";
import { Pace } from "../../../src/consistency/check/pace.ts";
import { refill } from "../../../src/consistency/loop/refill.ts";
import { StoreUnavailableError } from "../../../src/domain/errors.ts";
import type { MemoryKey } from "../../../src/domain/keys.ts";
import type { MemoryChange } from "../../../src/domain/memory.ts";
import { put, tombstone } from "../../conformance/changes.ts";
import { InMemoryProjection } from "../../support/in-memory-projection.ts";

const signal = new AbortController().signal;
const UNHURRIED = { turn: async () => undefined };

const changesOf = (count: number): MemoryChange[] =>
  Array.from({ length: count }, (_, number) => put(`m${String(number).padStart(6, "0")}`, 1));

/** Hands out `changes` in pages, and notes how many it gave out each time. */
function ledgerOf(changes: readonly MemoryChange[]) {
  const pages: number[] = [];
  return {
    pages,
    listChanges: async (after: MemoryKey | null, limit: number): Promise<MemoryChange[]> => {
      const start = after === null ? 0 : changes.findIndex(({ memoryId }) => memoryId === after.memoryId) + 1;
      const page = changes.slice(start, start + limit);
      pages.push(page.length);
      return page;
    },
  };
}

test("all live memories come back, deleted and damaged ones do not, and newer ones stay", async () => {
  const changes = changesOf(1_203);
  const damaged = { ...put("n-damaged", 1), documentJson: '{"content":"forged"}' };
  const newer = put("m000007", 2);
  const projection = new InMemoryProjection("redis");
  await projection.publish([newer], signal);
  const all = [...changes, damaged, tombstone("n-deleted", 2)];
  expect(await refill(ledgerOf(all), projection, UNHURRIED, signal)).toBe(1_202);
  expect(projection.entries.size).toBe(1_203);
  expect(await projection.read([newer, damaged], { data: false }, signal)).toMatchObject([{ version: 2 }, null]);
});

test("no more memories a second are published than a check may compare", async () => {
  const clock = { nowMs: 0 };
  const heldAt: { readonly ms: number; readonly held: number }[] = [];
  const projection = new InMemoryProjection("redis");
  const pace = new Pace({
    memoriesPerSecondMax: 1_000,
    load: () => ({ eventLoopDelayMs: 0, postgresWaiting: 0 }),
    clock: () => clock.nowMs,
    pause: async (milliseconds) => {
      clock.nowMs += milliseconds;
      heldAt.push({ ms: clock.nowMs, held: projection.entries.size });
    },
  });
  const ledger = ledgerOf(changesOf(2_300));
  await refill(ledger, projection, pace, signal);
  expect(projection.entries.size).toBe(2_300);
  expect(clock.nowMs).toBeCloseTo(2_300);
  for (const { ms, held } of heldAt) expect(held).toBeLessThanOrEqual(ms + 1);
  // Waited for after each page, not after all of them.
  expect(heldAt).toHaveLength(ledger.pages.filter((memories) => memories > 0).length);
});

test("no more than three pages are on their way at a time, however slow the store is", async () => {
  const releases: (() => void)[] = [];
  let onTheirWay = 0;
  let most = 0;
  const projection = new InMemoryProjection("redis", async (operation) => {
    if (operation !== "redis publish") return;
    most = Math.max(most, ++onTheirWay);
    await new Promise<void>((resolve) => releases.push(resolve));
    onTheirWay--;
  });
  const ledger = ledgerOf(changesOf(3_000));
  const filled = refill(ledger, projection, UNHURRIED, signal);
  for (let turn = 0; turn < 1_000 && projection.entries.size < 3_000; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    // One more page is read while three are on their way.
    expect(ledger.pages.length).toBeLessThanOrEqual(Math.floor(projection.entries.size / 500) + 4);
    if (turn % 5 === 4) releases.shift()?.();
  }
  expect(await filled).toBe(3_000);
  expect(most).toBe(3);
});

test("a store that fails ends it with its error, and nothing is under way any more", async () => {
  const down = new StoreUnavailableError("redis", "gone");
  let publishes = 0;
  let underWay = 0;
  const projection = new InMemoryProjection("redis", async (operation) => {
    if (operation === "redis publish" && ++publishes === 2) throw down;
    underWay += operation === "redis publish" ? 1 : -1;
    await new Promise((resolve) => setImmediate(resolve));
  });
  const ledger = ledgerOf(changesOf(10_000));
  await expect(refill(ledger, projection, UNHURRIED, signal)).rejects.toBe(down);
  expect(underWay).toBe(0);
  expect(ledger.pages.length).toBeLessThan(6);
});

test("given up, it stops reading and says why", async () => {
  const stopping = new AbortController();
  const ledger = ledgerOf(changesOf(5_000));
  const pace = {
    turn: async () => {
      if (ledger.pages.length === 3) stopping.abort(new Error("closing"));
    },
  };
  const reading = {
    listChanges: async (after: MemoryKey | null, limit: number, given: AbortSignal) => {
      given.throwIfAborted();
      return await ledger.listChanges(after, limit);
    },
  };
  const projection = new InMemoryProjection("redis");
  await expect(refill(reading, projection, pace, stopping.signal)).rejects.toThrow("closing");
  expect(ledger.pages).toHaveLength(3);
});
