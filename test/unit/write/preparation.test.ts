import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../../src/domain/errors.ts";
import type { LedgerTransaction } from "../../../src/ledger/ledger-transaction.ts";
import { ownTurn } from "../../../src/runtime/turns.ts";
import { type AttemptParts, attemptsOf } from "../../../src/write/attempt.ts";
import { decide, isWrite } from "../../../src/write/plan.ts";
import { Preparation } from "../../../src/write/preparation.ts";
import { StoreGate } from "../../../src/write/store-gate.ts";
import { ATTEMPT_SETTING, planOn } from "../../support/attempt-setting.ts";
import { InMemoryProjection } from "../../support/in-memory-projection.ts";
import { putIntent } from "../../support/noted-rows.ts";

/**
 * Goal: the vectors of a large chunk are encoded in a turn of the event loop of their own, and no end of the attempt meanwhile leaves
 * a store with a batch that nobody discards. Method: a store that notes its calls, and ledgers that fail before that turn.
 */

const MANY = 600;

function notingStore() {
  const asked: string[] = [];
  const store = new InMemoryProjection("redis", async (operation) => {
    const [, name, answered] = operation.split(" ");
    if (answered === undefined) asked.push(name as string);
  });
  return { store, asked };
}

function preparationOf(store: InMemoryProjection): Preparation {
  return new Preparation({ token: "t", gates: [new StoreGate(store)], everywhere: false, timeoutMs: 60_000 });
}

const intents = (count: number) => Array.from({ length: count }, (_, at) => putIntent(at));
const writesOf = (count: number) =>
  intents(count)
    .map((intent) => decide(intent, undefined, 0, "n"))
    .filter(isWrite);

const lost = () => new StoreUnavailableError("postgres", "the connection was lost");

/** Until all works that wait for a turn now have had theirs, and what follows them at once. */
async function turnsOfAll(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await ownTurn();
}

test("few memories are prepared at once", async () => {
  const { store, asked } = notingStore();
  const started = preparationOf(store).start(writesOf(31));
  expect(asked).toEqual(["prepare"]);
  expect(await started).toBeNull();
});

test("many memories are prepared in a later turn of the event loop", async () => {
  const { store, asked } = notingStore();
  const preparation = preparationOf(store);
  const started = preparation.start(writesOf(32));
  expect(asked).toEqual([]);
  expect(preparation.token).toBeUndefined();
  expect(await started).toBeNull();
  expect(asked.at(0)).toBe("prepare");
  expect(preparation.token).toBe("t");
});

test("what is discarded before its turn is not prepared, and is no success", async () => {
  const { store, asked } = notingStore();
  const preparation = preparationOf(store);
  const started = preparation.start(writesOf(MANY));
  await preparation.discard();
  expect(await started).toMatchObject({ kind: "failed", error: { code: "INTERNAL" } });
  await turnsOfAll();
  expect(asked).toEqual([]);
  expect(preparation.token).toBeUndefined();
});

/** An attempt on a chunk of new memories. @param run as the ledger runs the work of a transaction. */
function attemptOn(run: (work: () => Promise<unknown>) => Promise<unknown>, transaction: Partial<LedgerTransaction>) {
  const { store, asked } = notingStore();
  const noted: LedgerTransaction = {
    backend: { pid: 1, startedAt: "1" },
    flies: true,
    rollback: async () => void asked.push("rollback"),
    commit: async () => void asked.push("commit"),
    ...transaction,
  } as Partial<LedgerTransaction> as LedgerTransaction;
  const ledger = {
    nodeId: "n",
    knownEpoch: "e",
    transaction: async (_signal, work) => (await run(() => work(noted))) as Awaited<ReturnType<typeof work>>,
    outcomeOf: async () => "aborted",
    readHistoryPage: async () => [],
    readChanges: async () => new Map(),
    readPendingStores: async () => new Set(),
  } satisfies AttemptParts["ledger"] as AttemptParts["ledger"];
  const attempt = attemptsOf({ ledger, ...ATTEMPT_SETTING });
  const result = attempt({ intents: intents(MANY), atomic: false, claim: null }, planOn(store));
  return { result, asked, store };
}

test("a flight that fails before the preparation had its turn: both have ended, then the batch is discarded", async () => {
  const { result, asked, store } = attemptOn((work) => work(), {
    beginWithNew: async () => {
      throw lost();
    },
  });
  expect(await result).toMatchObject({ kind: "failed", error: { code: "STORE_UNAVAILABLE" } });
  expect(asked).toEqual(["prepare", "discard"]);
  expect(store.prepared.size).toBe(0);
});

test("a wrong guess that comes before the preparation had its turn: nothing stays prepared", async () => {
  const { result, asked, store } = attemptOn((work) => work(), {
    beginWithNew: async () => ({ answer: "guessed_wrong", writtenAt: 0 }),
  });
  expect(await result).toEqual({ kind: "guessed_wrong" });
  expect(asked).toEqual(["prepare", "rollback", "discard"]);
  expect(store.prepared.size).toBe(0);
});

test("a connection that is lost before the preparation had its turn ends the attempt at once, and no store prepares any more", async () => {
  let ended: Promise<unknown> | undefined;
  const { result, asked, store } = attemptOn(
    async (work) => {
      // As a pool does it: the work on a lost connection is not waited for.
      let lose: (error: Error) => void = () => undefined;
      const isLost = new Promise<never>((_, reject) => (lose = reject));
      ended = work().catch(() => undefined);
      await ownTurn(); // The rows are decided on.
      await ownTurn(); // Their flight has begun, and the preparation waits.
      lose(lost());
      return await isLost;
    },
    { beginWithNew: () => new Promise((_, reject) => setImmediate(reject, lost())) },
  );
  expect(await result).toMatchObject({ kind: "failed", error: { code: "STORE_UNAVAILABLE" } });
  await ended;
  await turnsOfAll();
  expect(asked).not.toContain("prepare");
  expect(asked).not.toContain("commit");
  expect(store.prepared.size).toBe(0);
});
