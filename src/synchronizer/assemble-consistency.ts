import type { EffectiveOptions } from "../config/options.ts";
import { StrategyRegistry } from "../conflict/registry.ts";
import type { CheckerParts } from "../consistency/check/check-options.ts";
import { Checker } from "../consistency/check/checker.ts";
import { EventLoopWatch, Pace } from "../consistency/check/pace.ts";
import { CopyReader } from "../consistency/copies/copy-reader.ts";
import { Leadership } from "../consistency/loop/leadership.ts";
import { ConsistencyWatch } from "../consistency/loop/watch.ts";
import type { ConsistencyMetrics } from "../consistency/metrics.ts";
import { PendingConflicts } from "../consistency/repair/pending-conflicts.ts";
import type { RepairerParts } from "../consistency/repair/repair-options.ts";
import { Repairer } from "../consistency/repair/repairer.ts";
import { settleUnproven } from "../consistency/repair/settle-unproven.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryValidator } from "../domain/schema.ts";
import type { StoreId } from "../domain/store-id.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Embedder } from "../embed/embedder.ts";
import { CheckLedger, type CheckRecords } from "../ledger/check-ledger.ts";
import type { LedgerStore } from "../ledger/ledger.ts";
import type { Log } from "../runtime/log.ts";
import { AFTER_START_MS, Loop } from "../runtime/loop.ts";
import { newUlid } from "../runtime/ulid.ts";
import type { Projection } from "../stores/projection.ts";
import type { SettleUnproven } from "../write/backlog.ts";
import type { StoreStandings } from "../write/store-standings.ts";
import type { Notifications } from "./notifications.ts";

/** What checks and repairs are made of. */
export interface ConsistencyParts {
  readonly records: CheckRecords;
  readonly strategies: StrategyRegistry;
  readonly checker: Checker;
  readonly repairer: Repairer;
  /** What each store holds of one memory. */
  readonly copies: CopyReader;
  /** For the backlog: memories of which a store holds something that the ledger never gave out. */
  readonly settleUnproven: SettleUnproven;
  /** Keeps long reading from getting in the way. Its owner ends it. */
  readonly pace: () => Pace;
  readonly conflicts: PendingConflicts;
  /** Which node checks the stores that all nodes share. */
  readonly leadership: Leadership;
  /** Checks and repairs. */
  readonly consistencyLoop: Loop;
}

/** What they are made with. */
export interface ConsistencySupplies {
  readonly options: EffectiveOptions;
  readonly postgres: PostgresAccess;
  readonly ledger: LedgerStore;
  readonly projections: readonly Projection[];
  readonly validator: MemoryValidator;
  /** Shared stores that were registered and are not filled yet. */
  readonly unfilled: NonNullable<CheckerParts["unfilled"]>;
  readonly standings: StoreStandings;
  readonly embedder: Embedder | null;
  readonly write: RepairerParts["write"];
  readonly metrics: ConsistencyMetrics;
  readonly notifications: Pick<Notifications, "drift" | "repair">;
  readonly log: Log;
}

/** Wires checks, repairs, conflicts and their loop together. Opens and starts nothing. */
export function assembleConsistency(supplies: ConsistencySupplies): ConsistencyParts {
  const {
    options,
    postgres,
    ledger,
    projections,
    unfilled,
    standings,
    validator,
    embedder,
    write,
    metrics,
    notifications,
    log,
  } = supplies;
  const records = new CheckLedger(postgres, { nodeId: ledger.nodeId, callTimeoutMs: options.callTimeoutMs });
  const strategies = new StrategyRegistry({
    ...(options.preferStoreOrder && { preferStoreOrder: options.preferStoreOrder }),
    versionVectorFallback: options.versionVectorFallback,
  });
  const now = Date.now;
  const checker = new Checker({
    ledger,
    records,
    projections,
    unfilled,
    standings,
    log,
    overdueMs: options.publishDeadlineMs,
    pace: (memoriesPerSecondMax) => createPace(memoriesPerSecondMax ?? options.checkMemoriesPerSecondMax, postgres),
    onChecked: (report, elapsedMs) => {
      metrics.checkFinished(report, elapsedMs / 1_000);
      notifications.drift(report);
    },
    now,
  });
  const repairerParts: RepairerParts = {
    ledger,
    records,
    projections,
    validator,
    embedder,
    write,
    strategies,
    strategyTimeoutMs: options.strategyTimeoutMs,
    log,
    onRepaired: (report) => {
      metrics.repairFinished(report);
      notifications.repair(report);
    },
    now,
  };
  const repairer = new Repairer(repairerParts);
  const leadership = new Leadership({
    records,
    name: "checker",
    holder: `${ledger.nodeId}/${process.pid}/${newUlid()}`,
    leaseMs: options.checkerLeaseMs,
    log,
  });
  const settle = (store: StoreId, keys: readonly MemoryKey[], signal: AbortSignal) =>
    settleUnproven(
      {
        ledger,
        records,
        projections,
        repairer,
        strategy: options.repairStrategy,
        repairKinds: options.repairKinds,
        now,
      },
      store,
      keys,
      signal,
    );
  const pace = (): Pace => createPace(options.checkMemoriesPerSecondMax, postgres);
  const watch = new ConsistencyWatch({
    ledger,
    pace,
    checker,
    repairer,
    records,
    projections,
    unfilled,
    standings,
    isLeader: () => leadership.isLeader,
    log,
    intervalMs: options.consistencyCheckIntervalMs,
    sweepMs: options.consistencySweepMs,
    repairKinds: options.repairKinds,
    strategy: options.repairStrategy,
    repairsMax: options.repairsPerPassMax,
    onRefilled: (store, memories) => metrics.refilled(store, memories),
    onSwept: (findings) => notifications.drift({ scope: "sweep", findings }),
  });
  const consistencyLoop = new Loop({
    name: "consistency",
    intervalMs: options.consistencyCheckIntervalMs,
    firstAfterMs: AFTER_START_MS,
    log,
    pass: (signal) => watch.runOnce(signal).then(() => false),
  });
  return {
    records,
    strategies,
    checker,
    repairer,
    copies: new CopyReader({ ledger, projections, validator, now }),
    settleUnproven: settle,
    pace,
    conflicts: new PendingConflicts(repairerParts),
    leadership,
    consistencyLoop,
  };
}

function createPace(memoriesPerSecondMax: number | undefined, postgres: PostgresAccess): Pace {
  const eventLoop = new EventLoopWatch();
  return new Pace({
    memoriesPerSecondMax: memoriesPerSecondMax ?? null,
    load: () => ({ eventLoopDelayMs: eventLoop.worstMs(), postgresWaiting: postgres.statistics().waiting }),
    end: () => eventLoop.stop(),
  });
}
