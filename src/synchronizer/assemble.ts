import type { EffectiveOptions } from "../config/options.ts";
import { passes } from "../domain/filter/evaluate.ts";
import { parseFilter } from "../domain/filter/filter.ts";
import { ChangeStream } from "../feed/change-stream.ts";
import { createJobs } from "../jobs/create-jobs.ts";
import { BodyMoves } from "../jobs/kinds/move-bodies.ts";
import { REEMBED } from "../jobs/kinds/reembed.ts";
import { retentionKind } from "../jobs/kinds/retention.ts";
import { MovingLedger } from "../ledger/moving-ledger.ts";
import { hasMoreThanNumber, retentionRules } from "../ledger/retention.ts";
import { ledgerMemory } from "../read/memory.ts";
import { createWebhooks } from "../webhooks/create-webhooks.ts";
import { assembleConnectors } from "./assemble-connectors.ts";
import { assembleConsistency } from "./assemble-consistency.ts";
import { assembleErase } from "./assemble-erase.ts";
import { assembleHub } from "./assemble-hub.ts";
import { assembleMerged } from "./assemble-merged.ts";
import { assembleReading } from "./assemble-reading.ts";
import { assembleReplica } from "./assemble-replica.ts";
import { assembleTransfer } from "./assemble-transfer.ts";
import { assembleUpkeep, assembleWriting, type WriteHooks } from "./assemble-writing.ts";
import { backgroundServices } from "./background.ts";
import { CallScope } from "./call-scope.ts";
import { Changes } from "./changes.ts";
import { Checks } from "./checks.ts";
import type { Connections } from "./connections.ts";
import { Erasures } from "./erasures.ts";
import { Finds } from "./finds.ts";
import { layFoundation } from "./foundation.ts";
import { storesBeingFilled } from "./node-followers.ts";
import { observe } from "./observe.ts";
import type { OperationParts } from "./operation.ts";
import { Reads } from "./reads.ts";
import { Reembeddings } from "./reembeddings.ts";
import { retentionLoop } from "./retention-loop.ts";
import { SearchReadiness } from "./search-readiness.ts";
import { SharedStores } from "./shared-stores.ts";
import { Transfers } from "./transfers.ts";
import { tellWebhooks } from "./webhook-events.ts";
import { Writes } from "./writes.ts";

/** The parts of one synchronizer, by what their callers do. */
export interface Assembly {
  readonly writes: Writes;
  readonly reads: Reads;
  readonly finds: Finds;
  readonly erasures: Erasures;
  readonly checks: Checks;
  readonly transfers: Transfers;
  readonly reembeddings: Reembeddings;
  readonly changes: Changes;
  readonly operation: OperationParts;
  /**
   * Makes this node's shared stores known to all nodes, and looks whose copies they are: once, before the first call.
   * @throws {StoreForeignError} One of them belongs to another ledger. @throws {StoreUnavailableError} Postgres is away.
   */
  register(signal: AbortSignal): Promise<void>;
}

/** Wires the rooms together. Opens and starts nothing, and asks no server. */
/** Milliseconds to say at the end that this process runs its stores no more. */
const LEAVE_MS = 2_000;

export function assemble(options: EffectiveOptions, connections: Connections, hooks: WriteHooks): Assembly {
  const { pools } = connections;
  const foundation = layFoundation(options, connections);
  const {
    postgres,
    ledger,
    stores,
    gates,
    deployment,
    standings,
    validator,
    embedder,
    feed,
    feedSignal,
    followers,
    metrics,
    log,
  } = foundation;
  const writing = assembleWriting(foundation, hooks);
  const openReembedding = (signal: AbortSignal) => jobs.getOpen(REEMBED, { signal });
  const searchReadiness =
    embedder === null || stores.vectorIndex === null
      ? null
      : new SearchReadiness({
          store: stores.vectorIndex.id,
          model: embedder.model,
          openJob: openReembedding,
          log,
          now: () => performance.now(),
        });
  const reading = assembleReading(foundation, writing, async (namespace) => searchReadiness?.assertComplete(namespace));
  const consistency = assembleConsistency({
    ...foundation,
    metrics: metrics.consistency,
    projections: stores.projections,
    unfilled: async (signal) => {
      const isFollowing = services.status().follow?.state !== "idle";
      const filling = await storesBeingFilled(followers, isFollowing, log, signal);
      return new Set([...(await deployment.unfilled(signal)), ...filling]);
    },
    write: (intent, signal) => writing.batcher.write(intent, true, signal),
  });
  standings.onDoubt = () => consistency.consistencyLoop.wake();
  const upkeep = assembleUpkeep(foundation, writing, consistency.settleUnproven);
  const {
    jobs,
    runner: jobRunner,
    kinds,
  } = createJobs({
    postgres,
    ledger,
    stores,
    checker: consistency.checker,
    repairer: consistency.repairer,
    pace: consistency.pace,
    defaultStrategy: options.repairStrategy,
    reembedding: embedder && {
      embedder,
      validator,
      write: (intents, signal) => writing.batcher.writeMany(intents, signal),
      matcher: (where) => {
        const condition = parseFilter(where);
        return (change) => passes(condition, ledgerMemory(change));
      },
      onChange: () => void searchReadiness?.look(),
    },
    onFilled: (store, memories) => metrics.consistency.refilled(store, memories),
    callTimeoutMs: options.callTimeoutMs,
    log,
  });
  const erasing = assembleErase(foundation, writing, reading, { jobs, kinds }, hooks.onEraseStep);
  const rules = retentionRules(options);
  kinds.register(retentionKind({ ledger, rules }));
  const isLeader = (): boolean => consistency.leadership.isLeader;
  const now = (): number => performance.now();
  const retention = hasMoreThanNumber(rules) ? retentionLoop({ jobs, isLeader, log, now }) : null;
  const transfer = assembleTransfer(foundation, writing, consistency);
  const monitors = [...foundation.monitors.values()];
  const { metricsFreshMs } = options;
  observe({ metrics, ledger, postgres, stores, followers, monitors, pools, log, metricsFreshMs });
  const scope = new CallScope(options.callTimeoutMs);
  const webhooks = createWebhooks({
    postgres,
    feed,
    news: feedSignal,
    nodeId: ledger.nodeId,
    settings: options.webhooks,
    callTimeoutMs: options.callTimeoutMs,
    run: (name, call, work) => scope.run(name, call, work),
    metrics: metrics.webhooks,
    log,
  });
  const hub = assembleHub(foundation, writing, scope);
  const replica = assembleReplica(foundation, scope);
  const merged = assembleMerged(foundation, reading);
  tellWebhooks(foundation.notifications, webhooks.outbox);
  const { listeners } = foundation.notifications;
  const { reader, history } = reading;
  const { batcher, marker, ledgerGate } = writing;
  const stream = new ChangeStream(feed, log);
  const callsOf = (within: CallScope) => ({
    writes: new Writes({
      scope: within,
      batch: { ...writing, options },
      validator,
      history,
      reader,
      ledger,
      metrics: metrics.write,
    }),
    reads: new Reads({
      scope: within,
      validator,
      reader,
      search: reading.search,
      merged: merged.reads,
      creations: reading.creations,
      history,
      ledger,
      embedder,
      metrics: metrics.read,
    }),
    changes: new Changes({ scope: within, stream, listeners, log }),
  });
  const { writes, reads, changes } = callsOf(scope);
  const connectors = assembleConnectors(foundation, scope, callsOf);
  const bodyMoves = new BodyMoves({
    ledger: new MovingLedger(postgres, options),
    jobs,
    clock: () => performance.now(),
  });
  const services = backgroundServices({
    foundation,
    upkeep,
    consistency,
    erase: erasing.service,
    retention,
    jobRunner,
    webhooks,
    replica: { services: [...replica.services, ...merged.services] },
    connectors,
    bodyMoves,
    monitors,
    pools,
  });
  return {
    writes,
    reads,
    erasures: new Erasures({ scope, validator, requests: erasing.requests }),
    finds: new Finds({ scope, validator, finder: reading.finder, indexes: reading.indexes, merged: merged.reads }),
    checks: new Checks({ scope, validator, ...consistency, defaultStrategy: options.repairStrategy }),
    reembeddings: new Reembeddings({ scope, jobs, runner: jobRunner, embedder, searchReadiness, log }),
    changes,
    transfers: new Transfers({ scope, validator, ...transfer }),
    operation: {
      scope,
      nodeId: ledger.nodeId,
      services,
      monitors,
      needs: {
        onStoreDown: options.onStoreDown,
        cache: stores.cache?.id ?? null,
        vectorIndex: stores.vectorIndex?.id ?? null,
      },
      searchReadiness,
      status: {
        ledger,
        overdueMs: options.publishDeadlineMs,
        stores,
        monitors: foundation.monitors,
        records: consistency.records,
      },
      backlog: upkeep.backlog,
      stores: new SharedStores(scope, deployment),
      jobs,
      subscriptions: webhooks.subscriptions,
      hub,
      replica: replica.operations,
      connectors: connectors.connectors,
      metrics: metrics.base,
      settle: [
        () => connectors.close(),
        () => batcher.close(),
        () => marker.flush(),
        () =>
          deployment.leave(AbortSignal.timeout(LEAVE_MS)).catch((error: Error) => {
            log.debug({ error: error.message }, "store.leave_failed"); // The note runs out by itself.
          }),
        async () => void (await Promise.all([...gates, ledgerGate].map((gate) => gate.idle()))),
        async () => await merged.reads?.close(),
        async () => changes.close(),
        () => webhooks.close(),
        () => feed.close(),
        () => feedSignal.close(),
      ],
    },
    register: async (signal) => {
      await deployment.register(signal);
      await standings.begin(signal);
      await erasing.register(signal);
      await searchReadiness?.look();
    },
  };
}
