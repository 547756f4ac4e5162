import { StoreUnavailableError } from "../../domain/errors.ts";
import { LEDGER_ID } from "../../domain/store-id.ts";
import { countsAgainstStore } from "../../write/store-gate.ts";
import { REPLICA_ID } from "../connection.ts";

/** Whether a call failed since the primary is away. */
export function isPrimaryAway(error: unknown): boolean {
  return error instanceof StoreUnavailableError && error.store === LEDGER_ID;
}

/**
 * Whether an error counts against the replica: three of them in a row have reads leave it out. One of a memory's data does not,
 * nor one of a store beside it.
 */
export function countsAgainstReplica(error: unknown): boolean {
  return countsAgainstStore(error) && (error as { store?: string }).store === REPLICA_ID;
}
