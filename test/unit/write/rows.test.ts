import { expect, test } from "vitest";
import { encodeMemory } from "../../../src/domain/memory.ts";
import type { LedgerTransaction } from "../../../src/ledger/ledger-transaction.ts";
import { KnownRows } from "../../../src/write/known-rows.ts";
import { Preparation } from "../../../src/write/preparation.ts";
import { type RowsTask, writeRows } from "../../../src/write/rows.ts";

const key = { namespace: "default", memoryId: "m" };
const document = { content: "a", memoryType: "t", importance: 0.5, metadata: {}, privacy: "full" } as const;

test("a flight that met a row in the way starts anew, and asks its aborted transaction for no taken key", async () => {
  const asked: string[] = [];
  const transaction = {
    beginWith: async () => {
      asked.push("beginWith");
      const nothing = { locked: new Map(), floors: new Map(), hits: new Set(), now: 0, writtenAt: 0 };
      return { ...nothing, isKeyTaken: true, raced: true };
    },
    takenKeys: async () => {
      asked.push("takenKeys");
      throw new Error("current transaction is aborted, commands ignored until end of transaction block");
    },
  } as Partial<LedgerTransaction> as LedgerTransaction;
  const task = {
    transaction,
    intents: [{ key, memory: encodeMemory(key, document, null), expectedVersion: null, modifiedAt: null }],
    atomic: false,
    claiming: { claim: { key: "k" }, transactionId: "t" } as unknown as RowsTask["claiming"],
    token: { transactionId: "t", nodeId: "n", storeVersions: { withEmbedding: "{}", withoutEmbedding: "{}" } },
    preparation: new Preparation({ token: "t", gates: [], everywhere: false, timeoutMs: 1_000 }),
    known: new KnownRows(),
    newGuess: undefined,
    endsUnknown: false,
    onStep: undefined,
  } satisfies RowsTask;
  expect(await writeRows(task)).toEqual({ kind: "raced" });
  expect(asked).toEqual(["beginWith"]);
});
