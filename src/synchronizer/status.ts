import { type ConsistencyStatus, readConsistencyStatus } from "../consistency/loop/consistency-status.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { CheckRecords } from "../ledger/check-ledger.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { SyncStatistics } from "../ledger/status-statements.ts";
import type { ServiceStatus } from "../runtime/service.ts";
import type { Projection, ProjectionHealth } from "../stores/projection.ts";
import type { StoreRegistry } from "../stores/registry.ts";
import type { CallOptions } from "./calls.ts";

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
  /** Background work of this node, by name, in the order of starting. All of it is `idle` before `start`. */
  readonly services: Readonly<Record<string, ServiceStatus>>;
}

export interface StatusOptions extends CallOptions {
  /**
   * Counts the memories and the backlog of these namespaces alone. Then `memories` of the stores that count no single
   * namespaces is null, `consistency` too, and reasons and `services` are left out. @default all of them
   */
  namespaces?: readonly string[] | undefined;
}

/** Where a status comes from. */
export interface StatusSources {
  readonly ledger: Pick<LedgerStore, "statistics" | "namespaceStatistics">;
  readonly records: CheckRecords;
  readonly stores: StoreRegistry;
}

/** Asks every store for its health and its size. A store that does not answer is reported as `down`. */
export async function readStatus(sources: StatusSources, signal: AbortSignal): Promise<Omit<Status, "services">> {
  const { projections } = sources.stores;
  const [ledger, consistency, ...copies] = await Promise.all([
    ledgerStatus(sources.ledger, signal),
    consistencyStatus(sources, signal),
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

/** The status as a caller of some namespaces may see it: figures of these namespaces, and states of the stores. */
export async function readNamespacesStatus(
  { ledger, stores }: StatusSources,
  namespaces: readonly string[],
  signal: AbortSignal,
): Promise<Omit<Status, "services">> {
  const [statistics, ...states] = await Promise.all([
    ledger.namespaceStatistics(namespaces, signal).catch(() => null), // Then it is reported as `down`.
    ...stores.projections.map(async (projection) => (await projection.health(signal)).state),
  ]);
  const { projections } = stores;
  return {
    stores: {
      postgres: { state: statistics === null ? "down" : "healthy", memories: statistics?.memories ?? null },
      ...Object.fromEntries(
        projections.map(({ id }, index) => [id, { state: states[index] as StoreStatus["state"], memories: null }]),
      ),
    },
    backlog: {
      pending: (statistics?.queuePending ?? 0) + (statistics?.transactionsUnpublished ?? 0),
      failed: statistics?.queueFailed ?? 0,
      dead: statistics?.queueDead ?? 0,
    },
    lastCleanCheckAt: null,
    consistency: null,
  };
}

async function consistencyStatus(
  { records, stores }: StatusSources,
  signal: AbortSignal,
): Promise<ConsistencyStatus | null> {
  try {
    return await readConsistencyStatus(
      records,
      stores.projections.map(({ id }) => id),
      signal,
    );
  } catch {
    return null; // The ledger's own entry says what is wrong with it.
  }
}

async function ledgerStatus(
  ledger: StatusSources["ledger"],
  signal: AbortSignal,
): Promise<{ status: StoreStatus; statistics: SyncStatistics | null }> {
  try {
    const statistics = await ledger.statistics(signal);
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
