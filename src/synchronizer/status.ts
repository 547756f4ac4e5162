import { type ConsistencyStatus, readConsistencyStatus } from "../consistency/loop/consistency-status.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { SyncStatistics } from "../ledger/status-statements.ts";
import type { Projection, ProjectionHealth } from "../stores/projection.ts";
import type { Parts } from "./assemble.ts";

export interface StoreStatus {
  readonly state: ProjectionHealth["state"];
  /** Live memories that the store holds by its own count; null when it could not be asked. */
  readonly memories: number | null;
  /** What is wrong; absent when healthy. */
  readonly reason?: string;
}

/** What `status --json` prints. */
export interface Status {
  /** By store id, the ledger (`postgres`) first. */
  readonly stores: Readonly<Record<StoreId, StoreStatus>> & { readonly postgres: StoreStatus };
  readonly backlog: {
    /** Transactions not yet published, and memories queued for a store. */
    readonly pending: number;
    /** Queued memories that were tried in vain and will be tried again. */
    readonly failed: number;
    /** Queued memories that were given up on. */
    readonly dead: number;
  };
  /** When all was last seen to be clean, by a full or deep check or a round of the sweep. ISO-8601; null: never. */
  readonly lastCleanCheckAt: string | null;
  /** Null when the ledger does not answer. */
  readonly consistency: ConsistencyStatus | null;
}

/** Asks every store how it is and what it holds. A store that is away is reported as such. */
export async function readStatus(parts: Parts, signal: AbortSignal): Promise<Status> {
  const { projections } = parts.stores;
  const [ledger, consistency, ...copies] = await Promise.all([
    ledgerStatus(parts, signal),
    consistencyStatus(parts, signal),
    ...projections.map((projection) => projectionStatus(projection, signal)),
  ]);
  const { statistics } = ledger;
  return {
    stores: {
      postgres: ledger.status,
      ...Object.fromEntries(projections.map(({ id }, index) => [id, copies[index] as StoreStatus])),
    },
    backlog: {
      pending: (statistics?.queuePending ?? 0) + (statistics?.transactionsUnpublished ?? 0),
      failed: statistics?.queueFailed ?? 0,
      dead: statistics?.queueDead ?? 0,
    },
    lastCleanCheckAt: statistics?.lastCleanCheckAt ?? null,
    consistency,
  };
}

async function consistencyStatus(parts: Parts, signal: AbortSignal): Promise<ConsistencyStatus | null> {
  try {
    return await readConsistencyStatus(
      parts.records,
      parts.gates.map(({ target }) => target.id),
      signal,
    );
  } catch {
    return null; // The ledger's own entry says what is wrong with it.
  }
}

async function ledgerStatus(
  parts: Parts,
  signal: AbortSignal,
): Promise<{ status: StoreStatus; statistics: SyncStatistics | null }> {
  try {
    const statistics = await parts.ledger.statistics(signal);
    return { status: { state: "healthy", memories: statistics.memories }, statistics };
  } catch (error) {
    return { status: { state: "down", memories: null, reason: (error as Error).message }, statistics: null };
  }
}

async function projectionStatus(projection: Projection, signal: AbortSignal): Promise<StoreStatus> {
  const { state, reason } = await projection.health(signal);
  const health = reason === undefined ? { state } : { state, reason };
  if (state === "down") return { ...health, memories: null };
  try {
    return { ...health, memories: await projection.count(signal) };
  } catch (error) {
    return { state: "down", memories: null, reason: (error as Error).message };
  }
}
