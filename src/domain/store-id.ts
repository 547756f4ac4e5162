/**
 * Names a store in outcomes, reports, metrics and the ledger: `postgres`, or the id of a projection. A lower-case letter,
 * then up to 62 of `a-z`, `0-9`, `-` and `_`.
 */
export type StoreId = string;

export const STORE_ID_PATTERN = /^[a-z][a-z0-9_-]{0,62}$/;

/** Whether a value has the form of a store's id. */
export function isStoreId(value: unknown): value is StoreId {
  return typeof value === "string" && STORE_ID_PATTERN.test(value);
}

/**
 * Who has a store: `shared`, one store that all nodes write (Redis); or `node`, a copy of its own on each node, which
 * follows the change feed for what other nodes write (a FAISS index).
 */
export type StoreScope = "shared" | "node";

/** The part of a store that the ledger knows. */
export interface StoreIdentity {
  readonly id: StoreId;
  readonly scope: StoreScope;
}

/** The ledger, as reports and metrics name it. */
export const LEDGER_ID: StoreId = "postgres";

/** The source of a candidate that an import brought: no store holds it yet. */
export const IMPORT_ID = "import";

/** Ids that a projection can't have. */
export const RESERVED_STORE_IDS: readonly string[] = [LEDGER_ID, IMPORT_ID];

/** How a store is, by its own word. */
export interface ProjectionHealth {
  readonly state: "healthy" | "degraded" | "down";
  /** What is wrong, for people; absent when healthy. */
  readonly reason?: string;
}
