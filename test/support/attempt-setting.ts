import type { AttemptParts, AttemptPlan } from "../../src/write/attempt.ts";
import { StoreGate } from "../../src/write/store-gate.ts";
import type { InMemoryProjection } from "./in-memory-projection.ts";

/** What an attempt is given beside its ledger, where a test does not care. */
export const ATTEMPT_SETTING = {
  storeIds: [],
  storeVersions: { withEmbedding: "{}", withoutEmbedding: "{}" },
  prepareTimeoutMs: 60_000,
  inDoubtTimeoutMs: 1_000,
} satisfies Omit<AttemptParts, "ledger">;

/** The plan of an optimistic attempt on one store. */
export function planOn(store: InMemoryProjection): AttemptPlan {
  return {
    transactionId: "t",
    gates: [new StoreGate(store)],
    optimistic: true,
    guessesNew: true,
    preparesAll: false,
  };
}
