import type { ErasureKind, ErasureReceipt } from "../ledger/erasure-statements.ts";
import type { ContentLeft } from "../ledger/scrub-statements.ts";

/**
 * How far an erasure is. `erasing`: memories are listed, or being removed from the ledger. `awaiting_stores`: the ledger holds
 * nothing of them, and a store has not confirmed yet. `complete`: every store has.
 */
export type ErasureState = "erasing" | "awaiting_stores" | "complete";

/** A store's word that it looked for the memories of an erasure and holds nothing of them, on its disk included. */
export interface StoreConfirmation {
  readonly store: string;
  /** The node whose store it is; null for a store that all nodes share. */
  readonly nodeId: string | null;
  /** Milliseconds since 1970. */
  readonly confirmedAt: number;
  /** Memories that it was asked for, and those of them that it still held, which were removed then. */
  readonly memories: number;
  readonly removed: number;
}

/** The receipt of an erasure. It holds no content: only ids stay. Times are milliseconds since 1970. */
export interface Erasure {
  /** ULID. */
  readonly id: string;
  readonly kind: ErasureKind;
  readonly namespace: string;
  /** Of kind `memory`. */
  readonly memoryId: string | null;
  readonly state: ErasureState;
  /** Memories that it covers, and those of them whose content has left the ledger. */
  readonly memories: number;
  readonly erased: number;
  readonly actor: string | null;
  readonly reason: string | null;
  /** The node that took the request. */
  readonly nodeId: string;
  readonly requestedAt: number;
  /** When the ledger was found to hold nothing of them; null until then. */
  readonly scrubbedAt: number | null;
  /** When the last store confirmed; null until then. */
  readonly completedAt: number | null;
  /** Rows with content of these memories that the ledger's tables were found to hold, by table: all zero. Null until then. */
  readonly ledger: ContentLeft | null;
  readonly stores: readonly StoreConfirmation[];
  /** Stores that have not confirmed yet. */
  readonly awaiting: readonly Pick<StoreConfirmation, "store" | "nodeId">[];
}

export function receiptOf(row: ErasureReceipt): Erasure {
  const { scrubbedAt, confirmations, awaited } = row;
  const isComplete = scrubbedAt !== null && awaited.length === 0;
  const last = Math.max(scrubbedAt ?? 0, ...confirmations.map(({ confirmedAt }) => confirmedAt));
  return {
    id: row.id,
    kind: row.kind,
    namespace: row.namespace,
    memoryId: row.memoryId,
    state: isComplete ? "complete" : scrubbedAt === null ? "erasing" : "awaiting_stores",
    memories: row.listed,
    erased: row.erased,
    actor: row.actor,
    reason: row.reason,
    nodeId: row.nodeId,
    requestedAt: Math.floor(row.requestedAt),
    scrubbedAt: scrubbedAt === null ? null : Math.floor(scrubbedAt),
    completedAt: isComplete ? Math.floor(last) : null,
    ledger: row.proof === null ? null : (JSON.parse(row.proof) as ContentLeft),
    stores: confirmations.map(({ store, nodeId, confirmedAt, memories, removed }) => ({
      store,
      nodeId: nodeId === "" ? null : nodeId,
      confirmedAt: Math.floor(confirmedAt),
      memories,
      removed,
    })),
    awaiting: awaited.map(({ store, nodeId }) => ({ store, nodeId: nodeId === "" ? null : nodeId })),
  };
}
