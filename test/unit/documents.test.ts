import { expect, test } from "vitest";
import { DOCUMENTS } from "../../src/documents/command-documents.ts";
import { outcomeDocument, outcomeSchema } from "../../src/documents/memory-documents.ts";
import type { SyncOutcome } from "../../src/index.ts";

/** Goal: documents tell of any set of stores. Method: a store that no source file names. */

const OUTCOME: SyncOutcome = {
  namespace: "default",
  memoryId: "m1",
  version: 3,
  checksum: "0".repeat(64),
  status: "degraded",
  stores: { postgres: "applied", "keyword-index": "pending" },
  transactionId: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
};

test("an outcome, a status and the queue tell of a store by its id", () => {
  expect(outcomeSchema().parse(outcomeDocument(OUTCOME))).toEqual(OUTCOME);
  const stores = { postgres: { state: "healthy", memories: 1 }, "keyword-index": { state: "down", memories: null } };
  const backlog = { pending: 1, failed: 0, dead: 0 };
  const status = {
    stores,
    backlog,
    lastCleanCheckAt: null,
    consistency: null,
    services: { sync: { state: "idle", lastError: null } },
  };
  expect(DOCUMENTS.status?.parse(status)).toEqual(status);
  const finding = { namespace: "a", memoryId: "m1", store: "keyword-index", kind: "stale" };
  const check = {
    clean: false,
    scope: "full",
    checked: 1,
    findings: [{ ...finding, expectedVersion: 2, foundVersion: 1 }],
    byMemory: { m1: ["keyword-index"] },
  };
  expect(DOCUMENTS.check?.parse(check)).toEqual(check);
});

test("a store id that breaks the pattern is no document", () => {
  const outcome = { ...outcomeDocument(OUTCOME), stores: { "No Store": "applied" } };
  expect(outcomeSchema().safeParse(outcome).success).toBe(false);
});
