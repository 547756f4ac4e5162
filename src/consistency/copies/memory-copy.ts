import type { SideDifferences } from "../../conflict/differences.ts";
import type { MnemosyncError } from "../../domain/errors.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { StoreId, StoreScope } from "../../domain/store-id.ts";
import type { Holding } from "../../stores/traits.ts";
import type { Drift } from "../check/classify.ts";
import type { ConflictSide } from "../repair/pending-conflicts.ts";

export const COPY_STATES = ["live", "tombstone", "malformed", "nothing", "unanswered"] as const;

/**
 * - `live`: it holds a version of the memory.
 * - `tombstone`: it holds the end of the memory, and shows nothing.
 * - `malformed`: what stands under the memory's key is no entry.
 * - `nothing`: nothing stands there.
 * - `unanswered`: the store gave no answer.
 */
export type CopyState = (typeof COPY_STATES)[number];

/** The copy of a memory in one store. */
export interface MemoryCopy extends ConflictSide {
  readonly store: StoreId;
  /** `node`: each node has a copy of its own, and this is that of the node that was asked. */
  readonly scope: StoreScope;
  /** The parts of a memory that the store keeps. Without `documents` its copies have no content. */
  readonly holds: readonly Holding[];
  readonly state: CopyState;
  /**
   * How it differs from the ledger, the data included; of the ledger, damage. Null: it does not, or it gave no answer. Seen once
   * and without a lock, so it may be a write on its way: a check proves it.
   */
  readonly drift: Pick<Drift, "kind" | "evidence"> | null;
  /** For people: why there is no content, or why it cannot win over the ledger's; null: there is nothing to say. */
  readonly note: string | null;
  /** From the ledger's content (left) to this one (right); null where one of them has none to compare. */
  readonly differences: SideDifferences | null;
  /** Why the store gave no answer; null: it did. */
  readonly error: MnemosyncError | null;
}

/** The copies of a memory, one of each store, as they are now. */
export interface MemoryCopies extends MemoryKey {
  /** The ledger (`postgres`) first, then this node's stores in the order of registration. */
  readonly copies: readonly MemoryCopy[];
}
