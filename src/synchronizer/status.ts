import { type ConsistencyStatus, readConsistencyStatus } from "../consistency/loop/consistency-status.ts";
import { LEDGER_ID, type StoreId } from "../domain/store-id.ts";
import type { CheckRecords } from "../ledger/check-ledger.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { NamespaceStatistics } from "../ledger/status-statements.ts";
import type { HealthMonitor } from "../runtime/health-monitor.ts";
import type { ServiceStatus } from "../runtime/service.ts";
import type { HealthState } from "../runtime/store-health.ts";
import type { StoreRegistry } from "../stores/registry.ts";
import type { CallOptions } from "./calls.ts";

export interface StoreStatus {
  /** As `health()` reports it: a status has each store checked, and shows the one judgement that is kept of it. */
  readonly state: HealthState;
  /** Live memories that the store holds by its own count; null when it could not be asked. */
  readonly memories: number | null;
  /** What is wrong, or why the memories could not be counted; absent when nothing is. */
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
  /** Milliseconds after which a transaction that is not marked as published counts as waiting. */
  readonly overdueMs: number;
  readonly records: CheckRecords;
  readonly stores: StoreRegistry;
  /** By store id. */
  readonly monitors: ReadonlyMap<StoreId, Pick<HealthMonitor, "settle" | "report">>;
}

/** Checks every store, and asks it for its size. */
export async function readStatus(sources: StatusSources, signal: AbortSignal): Promise<Omit<Status, "services">> {
  const { ledger, monitors, stores } = sources;
  const [statistics, consistency, ...copies] = await Promise.all([
    counted(monitors.get(LEDGER_ID), () => ledger.statistics(sources.overdueMs, signal), signal),
    consistencyStatus(sources, signal),
    ...stores.projections.map((projection) =>
      counted(monitors.get(projection.id), () => projection.count(signal), signal),
    ),
  ]);
  return {
    stores: storesStatus(sources, [{ ...statistics, count: statistics.count?.memories ?? null }, ...copies]),
    backlog: backlogStatus(statistics.count),
    lastCleanCheckAt: statistics.count?.lastCleanCheckAt ?? null,
    consistency,
  };
}

/** The status as a caller of some namespaces may see it: figures of these namespaces, and states of the stores. */
export async function readNamespacesStatus(
  sources: StatusSources,
  namespaces: readonly string[],
  signal: AbortSignal,
): Promise<Omit<Status, "services">> {
  const { ledger, monitors, stores } = sources;
  const [statistics] = await Promise.all([
    counted(monitors.get(LEDGER_ID), () => ledger.namespaceStatistics(namespaces, sources.overdueMs, signal), signal),
    ...stores.projections.map(({ id }) => monitors.get(id)?.settle(signal)),
  ]);
  const memories = [statistics.count?.memories ?? null, ...stores.projections.map(() => null)];
  const shown = storesStatus(
    sources,
    memories.map((count) => ({ count, reason: null })),
  );
  const states = Object.entries(shown).map(([id, { state, memories }]) => [id, { state, memories }]);
  return {
    stores: Object.fromEntries(states),
    backlog: backlogStatus(statistics.count),
    lastCleanCheckAt: null,
    consistency: null,
  };
}

interface Counted<Count> {
  /** Null: the store is down, or did not tell. */
  readonly count: Count | null;
  /** Why there is no count of a store that is not down; null: there is one. */
  readonly reason: string | null;
}

/** Has a store checked, then counted unless it is down. */
async function counted<Count>(
  monitor: Pick<HealthMonitor, "settle" | "report"> | undefined,
  count: () => Promise<Count>,
  signal: AbortSignal,
): Promise<Counted<Count>> {
  await monitor?.settle(signal);
  if (monitor?.report().state === "down") return { count: null, reason: null };
  try {
    return { count: await count(), reason: null };
  } catch (error) {
    return { count: null, reason: `its memories could not be counted: ${(error as Error).message}` };
  }
}

/**
 * The stores as their monitors judge them now: read at the end and in one go, so that a status and `health()` agree.
 * @param counts in the order of `stores.ids`.
 */
function storesStatus({ stores, monitors }: StatusSources, counts: readonly Counted<number>[]): Status["stores"] {
  const entries = stores.ids.map((id, index): [StoreId, StoreStatus] => {
    const health = monitors.get(id)?.report();
    const reason = health?.reason ?? counts[index]?.reason ?? null;
    const status = { state: health?.state ?? "down", memories: counts[index]?.count ?? null };
    return [id, reason === null ? status : { ...status, reason }];
  });
  return Object.fromEntries(entries) as Status["stores"];
}

function backlogStatus(statistics: NamespaceStatistics | null): Status["backlog"] {
  return {
    pending: (statistics?.queuePending ?? 0) + (statistics?.transactionsOverdue ?? 0),
    failed: statistics?.queueFailed ?? 0,
    dead: statistics?.queueDead ?? 0,
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
