import { ValidationError, VersionConflictError } from "../domain/errors.ts";
import { keyText } from "../domain/keys.ts";
import type { FirstAnswer } from "../ledger/transaction-statements.ts";
import type { ProjectionName } from "../stores/projection.ts";
import type { DecisionSummary } from "./commit.ts";
import { failedOutcome, type StoreOutcome, type SyncOutcome } from "./outcome.ts";
import type { Decision, WriteIntent } from "./plan.ts";
import type { StorePublish } from "./publish.ts";

/** The outcome of one intent, from what was decided and how far each store is. */
export function decisionOutcome(
  intent: WriteIntent,
  decision: Decision,
  transactionId: string | null,
  published: readonly StorePublish[],
): SyncOutcome {
  const { namespace, memoryId } = intent.key;
  if (decision.action === "conflict") {
    const error = new VersionConflictError(memoryId, intent.expectedVersion ?? 0, decision.version);
    const stores = { postgres: "unchanged", redis: "unchanged", faiss: "unchanged" } as const;
    const { version, checksum } = decision;
    return { namespace, memoryId, version, checksum, status: "conflict", stores, transactionId: null, error };
  }
  if (decision.action === "unchanged") {
    const faiss = decision.faiss ? "unchanged" : "not_applicable";
    const stores = { postgres: "unchanged", redis: "unchanged", faiss } as const;
    const { version, checksum } = decision;
    return { namespace, memoryId, version, checksum, status: "unchanged", stores, transactionId: null };
  }
  const state = (store: ProjectionName): StoreOutcome => {
    const answer = published.find((candidate) => candidate.store === store);
    if (answer === undefined || (store === "faiss" && !decision.faiss)) return "not_applicable";
    if (answer.failure !== null) return "pending";
    return answer.overtaken.has(keyText(intent.key)) ? "failed" : "applied";
  };
  const stores = { postgres: "applied", redis: state("redis"), faiss: state("faiss") } as const;
  const behind = [stores.redis, stores.faiss].some((store) => store === "pending" || store === "failed");
  const { version, checksum } = decision.write;
  return { namespace, memoryId, version, checksum, status: behind ? "degraded" : "synced", stores, transactionId };
}

/** The first answer under an idempotency key, said again, with how far the stores are by now. */
export function repeatedOutcomes(intents: readonly WriteIntent[], first: FirstAnswer): SyncOutcome[] {
  const summaries = first.outcomes as DecisionSummary[];
  if (summaries.length !== intents.length) {
    throw new ValidationError(
      "idempotencyKey",
      `was used for ${summaries.length} memories before, and now for ${intents.length}: use a new key for a new write`,
    );
  }
  return intents.map((intent, index) => {
    const { action, version, checksum, faiss } = summaries[index]!;
    if (action !== "write") return decisionOutcome(intent, { action, version, checksum, faiss }, null, []);
    const { namespace, memoryId } = intent.key;
    const state = (store: ProjectionName): StoreOutcome =>
      first.pending.has(`${store} ${keyText(intent.key)}`) ? "pending" : "applied";
    const stores = {
      postgres: "applied",
      redis: state("redis"),
      faiss: faiss ? state("faiss") : "not_applicable",
    } as const;
    const status = Object.values(stores).includes("pending") ? "degraded" : "synced";
    return { namespace, memoryId, version, checksum, status, stores, transactionId: first.transactionId };
  });
}

/** Outcomes of an atomic batch in which some memory was not at its expected version: none was written. */
export function atomicConflictOutcomes(intents: readonly WriteIntent[], decisions: readonly Decision[]): SyncOutcome[] {
  const outcomes = intents.map((intent, index) => {
    const decision = decisions[index]!;
    return decision.action === "conflict" ? decisionOutcome(intent, decision, null, []) : null;
  });
  const cause = outcomes.find((candidate) => candidate !== null)?.error;
  return outcomes.map((found, index) => found ?? failedOutcome(intents[index]!.key, cause!));
}
