import { expect, test } from "vitest";
import { StoreRefusedError, StoreUnavailableError } from "../../../src/domain/errors.ts";
import { encodeMemory } from "../../../src/domain/memory.ts";
import type { LedgerStore } from "../../../src/ledger/ledger.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { LATE_MS } from "../../../src/write/late-publish.ts";
import { decide } from "../../../src/write/plan.ts";
import { Publisher } from "../../../src/write/publisher.ts";
import { StoreGate } from "../../../src/write/store-gate.ts";
import { InMemoryProjection } from "../../support/in-memory-projection.ts";

/** Goal: a publish that fails is told once, when it has failed for good. Method: a store that fails the first of its calls. */

const key = { namespace: "default", memoryId: "m" };
const document = { content: "a", memoryType: "t", importance: 0.5, metadata: {}, privacy: "full" } as const;
const away = () => new StoreUnavailableError("redis", "the link is cut");

/** @param overtaken asks the ledger, after a late publish, for the versions of now. */
async function publishWith(
  errors: readonly Error[],
  token: string | undefined,
  overtaken?: LedgerStore["readVersions"],
) {
  const left = [...errors];
  let calls = 0;
  const store = new InMemoryProjection("redis", async (operation) => {
    if (operation !== "redis publish") return;
    calls++;
    const error = left.shift();
    if (error !== undefined) throw error;
  });
  const gate = new StoreGate(store, { failuresMax: 2 });
  const told: object[] = [];
  const marked: string[] = [];
  const queued: string[] = [];
  const publisher = new Publisher({
    ledger: {
      queuePending: async (transactionId: string) => void queued.push(transactionId),
      readVersions: overtaken,
    } as Partial<LedgerStore> as LedgerStore,
    log: { ...silentLog, warn: (fields, event) => void told.push({ event, ...fields }) },
    publishTimeoutMs: 1_000,
    gates: [gate],
    unattached: () => [],
    onCommitted: () => undefined,
    marker: { add: (transactionId) => void marked.push(transactionId) },
  });
  const intent = { key, memory: encodeMemory(key, document, null), expectedVersion: null, modifiedAt: null };
  const { stores } = await publisher.publish({
    transactionId: "t",
    keepsAnswer: false,
    decisions: [decide(intent, undefined, 5, "n")],
    gates: [gate],
    token,
    epoch: "e",
    committedAt: performance.now() - (overtaken === undefined ? 0 : LATE_MS),
  });
  return { calls, gate, told, marked, queued, failure: stores[0]?.failure };
}

test("the first try fails and the second does not: nothing is told, and nothing counts against the store", async () => {
  const { calls, gate, told, marked, failure } = await publishWith([away()], undefined);
  expect({ calls, told, marked, failure }).toEqual({ calls: 2, told: [], marked: ["t"], failure: null });
  expect(gate.lastError).toBeNull();
});

test("both tries fail: one failure of the store's, one warning, and the memory is queued", async () => {
  const { calls, gate, told, queued } = await publishWith([away(), away()], undefined);
  expect({ calls, queued }).toEqual({ calls: 2, queued: ["t"] });
  expect(told).toEqual([
    expect.objectContaining({ event: "write.publish_failed", store: "redis", code: "STORE_UNAVAILABLE" }),
  ]);
  expect(gate.lastError).toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(gate.state).toBe("closed"); // It takes two failures.
});

test.each([
  ["was asked before the commit", away(), "t"],
  ["refuses for good", new StoreRefusedError("redis", "not this one"), undefined],
])("a store that %s is called once, and the failure told at once", async (_, error, token) => {
  const { calls, gate, told } = await publishWith([error, error], token);
  expect(calls).toBe(1);
  expect(told).toHaveLength(1);
  expect(gate.lastError).toBe(error);
});

test("the ledger fails after the store has answered: the memory is queued, and nothing counts against the store", async () => {
  const { gate, told, queued } = await publishWith([], "t", () =>
    Promise.reject(new StoreUnavailableError("postgres", "the link is cut")),
  );
  expect(queued).toEqual(["t"]);
  expect(told).toEqual([expect.objectContaining({ event: "write.publish_failed", code: "STORE_UNAVAILABLE" })]);
  expect(gate.lastError).toBeNull();
});
