import { expect, test } from "vitest";
import { StoreRefusedError, StoreUnavailableError } from "../../../src/domain/errors.ts";
import { keyText } from "../../../src/domain/keys.ts";
import { encodeMemory } from "../../../src/domain/memory.ts";
import { postgresError } from "../../../src/drivers/postgres/postgres-errors.ts";
import type { HistoricVersion } from "../../../src/ledger/history-statements.ts";
import type { LedgerTransaction } from "../../../src/ledger/ledger-transaction.ts";
import { type AttemptParts, attemptsOf } from "../../../src/write/attempt.ts";
import { isWrite, type WriteIntent } from "../../../src/write/plan.ts";
import { ATTEMPT_SETTING, planOn } from "../../support/attempt-setting.ts";
import { InMemoryProjection } from "../../support/in-memory-projection.ts";

/**
 * Goal: an attempt says that it failed only where nothing can have been stored, and gives the stores the ledger's time. Method: a
 * transaction whose COMMIT fails as the test says, and a ledger that knows better.
 */

const document = { content: "a", memoryType: "t", importance: 0.5, metadata: {}, privacy: "full" } as const;

function intentOf(memoryId: string): WriteIntent {
  const key = { namespace: "default", memoryId };
  return { key, memory: encodeMemory(key, document, null), expectedVersion: null, modifiedAt: null };
}

/** An error as the driver makes it of what the server says. */
function serverError(severity: string | undefined, code: string): Error {
  return Object.assign(new Error(`the server says ${severity} ${code}`), { severity, code });
}

interface Ledger {
  /** Of the flight that has COMMIT. */
  readonly commitFails: unknown;
  readonly outcome?: "committed" | "aborted";
  /** What the ledger holds of the memory when it is asked for the time. */
  readonly history?: Partial<HistoricVersion> | undefined;
  readonly current?: { readonly version: number; readonly modifiedAt: number };
}

/** @param preparesAlways false: the stores are not asked before, and a lone memory goes with its COMMIT. */
function attemptOn({ commitFails, outcome = "committed", history, current }: Ledger, preparesAlways = false) {
  const asked: string[] = [];
  const writtenAt = 5;
  const transaction = {
    backend: { pid: 1, startedAt: "1" },
    flies: true,
    commitAlone: async () => {
      throw postgresError(commitFails);
    },
    beginWith: async (guesses) => {
      const hits = new Set(guesses.map(({ write }) => keyText(write)));
      return { locked: new Map(), floors: new Map(), now: 5, isKeyTaken: false, raced: false, hits, writtenAt };
    },
    write: async () => "written",
    isReplicated: async () => false,
    rollback: async () => undefined,
    commit: async () => {
      throw postgresError(commitFails);
    },
  } as Partial<LedgerTransaction> as LedgerTransaction;
  const ledger = {
    nodeId: "n",
    knownEpoch: "e",
    transaction: async (_signal, work) => await work(transaction),
    outcomeOf: async () => {
      asked.push("outcomeOf");
      return outcome;
    },
    readHistoryPage: async () => (history === undefined ? [] : [history as HistoricVersion]),
    readChanges: async () => new Map(current === undefined ? [] : [[keyText(intentOf("m1").key), current as never]]),
    readPendingStores: async () => new Set(),
  } satisfies AttemptParts["ledger"] as AttemptParts["ledger"];
  const attempt = attemptsOf({
    ledger,
    ...ATTEMPT_SETTING,
    prepareTimeoutMs: 1_000,
    preparesAlways,
  });
  const store = new InMemoryProjection("redis");
  store.publishesUnprepared = true;
  return { attempt, plan: planOn(store), asked };
}

/** Ways of a write to its COMMIT. */
const WAYS = {
  "a lone memory": { ids: ["m1"], preparesAlways: false },
  "a pair that no store has prepared": { ids: ["m1", "m2"], preparesAlways: false },
  "a prepared memory": { ids: ["m1"], preparesAlways: true },
} as const;

for (const [what, { ids, preparesAlways }] of Object.entries(WAYS)) {
  const chunk = { intents: ids.map(intentOf), atomic: false, claim: null };

  test.each([
    ["PANIC", "53100"], // no room for the log, behind the record of the commit
    ["PANIC", "58030"],
    ["FATAL", "53200"],
    ["FATAL", "XX000"],
    ["FATAL", "57P01"],
    ["FATAL", "57P02"],
    ["FATAL", "57P03"],
    [undefined, "08P01"], // PgBouncer: "server conn crashed?"
    [undefined, "CONNECTION_CLOSED"],
    [undefined, "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC"],
  ])(`${what}: COMMIT is answered %s %s, and was carried out: the ledger is asked`, async (severity, code) => {
    const { attempt, plan, asked } = attemptOn({ commitFails: serverError(severity, code) }, preparesAlways);
    expect(await attempt(chunk, plan)).toMatchObject({ kind: "committed", chunk: { transactionId: "t" } });
    expect(asked).toEqual(["outcomeOf"]);
  });

  test.each(["23514", "40001", "53100", "57014"])(
    `${what}: COMMIT is refused with %s: the answer stands, and nobody is asked`,
    async (code) => {
      const { attempt, plan, asked } = attemptOn({ commitFails: serverError("ERROR", code) }, preparesAlways);
      const result = await attempt(chunk, plan);
      expect(result).toMatchObject({ kind: "failed", error: { code: "STORE_REFUSED" } });
      expect(result).toMatchObject({ error: expect.any(StoreRefusedError) });
      expect(asked).toEqual([]);
    },
  );

  test(`${what}: COMMIT got no answer, and was not carried out: the write has failed, and may be tried again`, async () => {
    const commitFails = serverError(undefined, "CONNECTION_CLOSED");
    const { attempt, plan } = attemptOn({ commitFails, outcome: "aborted" }, preparesAlways);
    const result = await attempt(chunk, plan);
    expect(result).toMatchObject({ kind: "failed", error: { code: "STORE_UNAVAILABLE", retryable: true } });
    expect(result).toMatchObject({ error: expect.any(StoreUnavailableError) });
  });
}

test.each([
  ["is the current one", { history: { version: 1, modifiedAt: 70 }, current: { version: 1, modifiedAt: 70 } }, 70],
  ["was replaced since", { history: { version: 1, modifiedAt: 70 }, current: { version: 2, modifiedAt: 90 } }, 70],
  ["was replaced, and is kept no more", { current: { version: 2, modifiedAt: 90 } }, 90],
])("a lone memory whose answer was lost has the ledger's time: its version %s", async (_, held, modifiedAt) => {
  const { attempt, plan } = attemptOn({ commitFails: serverError(undefined, "CONNECTION_CLOSED"), ...held });
  const result = await attempt({ intents: [intentOf("m1")], atomic: false, claim: null }, plan);
  if (result.kind !== "committed") throw new Error(result.kind);
  const [decision] = result.chunk.decisions.filter(isWrite);
  expect(decision).toMatchObject({ write: { version: 1, modifiedAt }, change: { modifiedAt } });
});
