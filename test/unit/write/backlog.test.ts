import { expect, test, vi } from "vitest";
import { StoreUnavailableError, ValidationError } from "../../../src/domain/errors.ts";
import { encodeMemory, type MemoryChange } from "../../../src/domain/memory.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { Backlog } from "../../../src/write/backlog.ts";
import { decide } from "../../../src/write/plan.ts";
import { StoreGate } from "../../../src/write/store-gate.ts";
import { InMemoryLedger } from "../../support/in-memory-ledger.ts";
import { LedgerState } from "../../support/in-memory-ledger-state.ts";
import { InMemoryProjection } from "../../support/in-memory-projection.ts";
import { REDIS, STORE_VERSIONS } from "../../support/store-traits.ts";

const { signal } = new AbortController();
const ATTEMPTS_MAX = 3;

/** A store that refuses the memory `bad` for what it holds, and that can be away as a whole. */
class PickyProjection extends InMemoryProjection {
  away = false;
  published = 0;

  override async publish(
    changes: readonly MemoryChange[],
    publishSignal: AbortSignal,
  ): Promise<("applied" | "stale")[]> {
    if (this.away) throw new StoreUnavailableError("redis", "away");
    if (changes.some(({ memoryId }) => memoryId === "bad")) throw new ValidationError("content", "is bad");
    this.published += changes.length;
    return await super.publish(changes, publishSignal);
  }
}

/** Five committed memories, `bad` among them, all queued for a store that has none. */
async function openQueue() {
  let now = 1_000_000;
  const state = new LedgerState(() => now);
  const ledger = new InMemoryLedger(state, "n");
  const store = new PickyProjection("redis");
  const keys = ["a", "b", "bad", "c", "d"].map((memoryId) => ({ namespace: "default", memoryId }));
  await ledger.transaction(signal, async (transaction) => {
    await transaction.begin(keys);
    const writes = keys.map((key) => {
      const document = {
        content: key.memoryId,
        memoryType: "e",
        importance: 0.5,
        metadata: {},
        privacy: "full" as const,
      };
      const intent = { key, memory: encodeMemory(key, document, null), expectedVersion: null, modifiedAt: null };
      const decision = decide(intent, undefined, now, "n");
      if (decision.action !== "write") throw new Error("nothing to write");
      return decision.write;
    });
    const token = {
      transactionId: "t",
      nodeId: "n",
      storeVersions: STORE_VERSIONS,
      historyVersionsMax: 10,
    };
    await transaction.write(writes, token);
    await transaction.commit();
  });
  await ledger.queuePending("t", [{ store: REDIS, keys, reason: "was away" }], signal);
  const gate = new StoreGate(store, { probeIntervalMs: 0 });
  const backlog = new Backlog({
    ledger,
    gates: [gate],
    log: silentLog,
    workerId: "w",
    publishDeadlineMs: 30_000,
    publishTimeoutMs: 10_000,
    attemptsMax: ATTEMPTS_MAX,
    random: () => 0.5,
  });
  const advance = (milliseconds: number): void => {
    now += milliseconds;
  };
  return { backlog, ledger, store, state, advance };
}

test("one memory that a store refuses does not hold up the others of its batch", async () => {
  const { backlog, store } = await openQueue();
  await backlog.runOnce();
  expect([...store.entries.values()].map(({ memoryId }) => memoryId).sort()).toEqual(["a", "b", "c", "d"]);
  expect(await backlog.list({ limit: 10 })).toMatchObject([
    { memoryId: "bad", state: "pending", attempts: 1, lastError: "content: is bad" },
  ]);
});

test("a memory that is refused time and again becomes a dead letter, which is listed, replayed and dropped", async () => {
  const { backlog, advance } = await openQueue();
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    await backlog.runOnce();
    advance(600_000);
  }
  expect(await backlog.list({ limit: 10 })).toMatchObject([{ memoryId: "bad", state: "dead", attempts: ATTEMPTS_MAX }]);
  expect(await backlog.runOnce()).toMatchObject({ claimed: 0 });
  expect(await backlog.retry()).toBe(1);
  expect(await backlog.runOnce()).toMatchObject({ claimed: 1, published: 0 });
  for (let attempt = 1; attempt < ATTEMPTS_MAX; attempt++) {
    advance(600_000);
    await backlog.runOnce();
  }
  expect(await backlog.drop()).toBe(1);
  expect(await backlog.list({ limit: 10 })).toEqual([]);
});

test("times when the store as a whole is away do not count, however many", async () => {
  const { backlog, store, state, advance } = await openQueue();
  store.away = true;
  for (let pass = 0; pass < 4 * ATTEMPTS_MAX; pass++) {
    await backlog.runOnce();
    advance(1_000);
  }
  expect([...state.queue.values()].map(({ attempts, dead }) => [attempts, dead])).toEqual(Array(5).fill([0, false]));
  store.away = false;
  // The breaker is open by now: the first pass asks the store how it is, the next ones go through.
  for (let pass = 0; pass < 3; pass++) {
    await backlog.runOnce();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(store.published).toBe(4);
});

test.each(["claim", "readChanges"] as const)(
  "memories of a pass that broke off at %s are the next pass's, without a wait for its lease",
  async (step) => {
    const { backlog, ledger, store } = await openQueue();
    const call = ledger[step].bind(ledger) as (...parts: unknown[]) => Promise<never>;
    const broken = vi.spyOn(ledger, step).mockImplementationOnce(async (...parts: unknown[]) => {
      await call(...parts);
      throw new StoreUnavailableError("postgres", "the answer was lost");
    });
    await expect(backlog.runOnce()).rejects.toThrow("the answer was lost");
    broken.mockRestore();
    expect(store.published).toBe(0);
    await backlog.runOnce();
    expect(store.published).toBe(4);
  },
);

test("while it is paused nothing is published, and afterwards everything", async () => {
  const { backlog, store } = await openQueue();
  await backlog.pause();
  expect(await backlog.drain()).toBe(0);
  expect(store.published).toBe(0);
  await backlog.resume();
  expect(await backlog.drain()).toBe(4);
});

test("publishes the version that the ledger holds now, not the one that was queued", async () => {
  const { backlog, store, state } = await openQueue();
  const text = "default\u0000a";
  const row = state.versions.get(text);
  if (row === undefined) throw new Error("no row");
  state.versions.set(text, { ...row, version: 7 });
  await backlog.drain();
  expect(store.entries.get(text)?.version).toBe(7);
});
