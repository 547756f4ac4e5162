import { ErasedError, type MnemosyncError } from "../domain/errors.ts";
import { keyText, type MemoryKey } from "../domain/keys.ts";
import { LEDGER_ID, type StoreId } from "../domain/store-id.ts";
import { VersionConflictError } from "../domain/version-conflict.ts";
import type { RegisteredStore } from "../ledger/store-statements.ts";
import { keepsMemory, type ProjectionTraits } from "../stores/traits.ts";
import type { KeptAnswer } from "./decision-summary.ts";
import type { StoreOutcome, SyncOutcome } from "./outcome.ts";
import { type Decision, isRefused, type WriteIntent } from "./plan.ts";
import { NOT_RUN_HERE, pendingReason, type StorePublish } from "./publish.ts";

/** A store that outcomes report. */
interface ReportedStore {
  readonly id: StoreId;
  readonly traits: ProjectionTraits;
}

/** Makes outcomes that report every store of this node. */
export class Outcomes {
  readonly #stores: readonly ReportedStore[];

  constructor(stores: readonly ReportedStore[]) {
    this.#stores = stores;
  }

  /** Ids of the stores beside the ledger. */
  get storeIds(): readonly StoreId[] {
    return this.#stores.map(({ id }) => id);
  }

  /** The outcome of a memory that was not written because of `error`. */
  failed({ namespace, memoryId }: MemoryKey, error: MnemosyncError): SyncOutcome {
    const stores = this.#record("failed", () => "failed");
    return { namespace, memoryId, version: 0, checksum: null, status: "failed", stores, transactionId: null, error };
  }

  /**
   * The outcome of one intent, from its decision and the state of each store.
   * @param unattached stores of the deployment that other nodes run.
   */
  decided(
    intent: WriteIntent,
    decision: Decision,
    transactionId: string | null,
    published: readonly StorePublish[],
    unattached: readonly RegisteredStore[] = [],
  ): SyncOutcome {
    const { namespace, memoryId } = intent.key;
    if (decision.action === "erased") return this.failed(intent.key, new ErasedError(namespace, memoryId));
    if (decision.action === "refused") return this.failed(intent.key, decision.error);
    if (decision.action === "repeated") {
      const stores = this.#record("unchanged", () => "unchanged");
      const { version, checksum } = decision;
      return { ...intent.key, version, checksum, status: "unchanged", stores, transactionId: null, repeats: true };
    }
    if (decision.action === "conflict") {
      const { version, checksum } = decision;
      const error = new VersionConflictError(memoryId, intent.expectedVersion ?? 0, version);
      const stores = this.#record("unchanged", () => "unchanged");
      return { namespace, memoryId, version, checksum, status: "conflict", stores, transactionId: null, error };
    }
    if (decision.action === "unchanged") {
      const { version, checksum, vectors } = decision;
      const stores = this.#record("unchanged", ({ traits }) =>
        keepsMemory(traits, vectors) ? "unchanged" : "not_applicable",
      );
      return { namespace, memoryId, version, checksum, status: "unchanged", stores, transactionId: null };
    }
    const { version, checksum } = decision.write;
    const isDropped = dropsEmbedding(intent, decision.vectors);
    const reasons: Record<StoreId, string> = {};
    const stores = this.#record("applied", ({ id, traits }) => {
      const answer = published.find(({ store }) => store === id);
      if (answer === undefined || !keepsMemory(traits, decision.vectors)) return "not_applicable";
      const reason = pendingReason(answer, intent.key);
      if (reason === null) return isDropped && !keepsMemory(traits, false) ? "not_applicable" : "applied";
      reasons[id] = reason;
      return "pending";
    });
    for (const { id, documents } of unattached) {
      const isKept = documents || decision.vectors;
      stores[id] = isKept ? "pending" : "not_applicable";
      if (isKept) reasons[id] = NOT_RUN_HERE;
    }
    const status = statusOf(stores);
    const outcome = { namespace, memoryId, version, checksum, status, stores, transactionId };
    // Nearly always: a spread would cost more than the rest.
    if (status === "synced" && !isDropped) return outcome;
    return {
      ...outcome,
      ...(isDropped && { embeddingDropped: true as const }),
      ...(Object.keys(reasons).length > 0 && { reasons }),
    };
  }

  /**
   * Repeats the first answer under an idempotency key, with the present state of the stores.
   * @param pending as `readPendingStores` returns it.
   */
  repeated(intents: readonly WriteIntent[], first: KeptAnswer, pending: ReadonlySet<string>): SyncOutcome[] {
    return intents.map((intent, index) => {
      const { action, version, checksum, vectors } = first.summaries[index]!;
      if (action === "erased")
        return this.failed(intent.key, new ErasedError(intent.key.namespace, intent.key.memoryId));
      if (action !== "write") return this.decided(intent, { action, version, checksum, vectors }, null, []);
      const { namespace, memoryId } = intent.key;
      const isDropped = dropsEmbedding(intent, vectors);
      const stores = this.#record("applied", ({ id, traits }) => {
        if (!keepsMemory(traits, vectors)) return "not_applicable";
        if (pending.has(`${id} ${keyText(intent.key)}`)) return "pending";
        return isDropped && !keepsMemory(traits, false) ? "not_applicable" : "applied";
      });
      const { transactionId } = first;
      const outcome = { namespace, memoryId, version, checksum, status: statusOf(stores), stores, transactionId };
      return isDropped ? { ...outcome, embeddingDropped: true } : outcome;
    });
  }

  /** Outcomes of an atomic batch in which some memory was erased, or not at its expected version: none was written. */
  atomicConflict(intents: readonly WriteIntent[], decisions: readonly Decision[]): SyncOutcome[] {
    const outcomes = intents.map((intent, index) => {
      const decision = decisions[index]!;
      return isRefused(decision) ? this.decided(intent, decision, null, []) : null;
    });
    const cause = outcomes.find((candidate) => candidate !== null)?.error;
    return outcomes.map((found, index) => found ?? this.failed(intents[index]!.key, cause!));
  }

  #record(ledger: StoreOutcome, of: (store: ReportedStore) => StoreOutcome): Record<StoreId, StoreOutcome> {
    const record: Record<StoreId, StoreOutcome> = { [LEDGER_ID]: ledger };
    for (const store of this.#stores) record[store.id] = of(store);
    return record;
  }
}

/** @param vectors whether the memory has an embedding now, or had one before. */
function dropsEmbedding({ memory }: WriteIntent, vectors: boolean): boolean {
  return memory !== null && memory.embedding === null && vectors;
}

function statusOf(stores: Readonly<Record<StoreId, StoreOutcome>>): "synced" | "degraded" {
  for (const id in stores) if (stores[id] === "pending" || stores[id] === "failed") return "degraded";
  return "synced";
}
