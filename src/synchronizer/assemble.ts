import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { EffectiveOptions } from "../config/options.ts";
import { MemoryValidator } from "../domain/schema.ts";
import { LEDGER_ID } from "../domain/store-id.ts";
import type { ConnectionPoolManager } from "../drivers/connection-pool-manager.ts";
import type { PostgresAccess } from "../drivers/postgres/postgres-access.ts";
import type { Embedder } from "../embed/embedder.ts";
import { FeedSignal } from "../feed/feed-signal.ts";
import { createJobs } from "../jobs/create-jobs.ts";
import type { JobRunner } from "../jobs/job-runner.ts";
import type { Jobs } from "../jobs/jobs.ts";
import { Ledger, type LedgerStore } from "../ledger/ledger.ts";
import { PortableLedger } from "../ledger/portable-ledger.ts";
import { storeVersionTemplates } from "../ledger/store-versions.ts";
import { DisprovedEntries, provenVersion } from "../read/disproved-entries.ts";
import { History } from "../read/history.ts";
import { Reader } from "../read/reader.ts";
import { VersionFloors } from "../read/version-floors.ts";
import type { HealthMonitor } from "../runtime/health-monitor.ts";
import type { Log } from "../runtime/log.ts";
import { Loop } from "../runtime/loop.ts";
import { newUlid } from "../runtime/ulid.ts";
import type { Projection } from "../stores/projection.ts";
import { StoreRegistry } from "../stores/registry.ts";
import { keepsMemory } from "../stores/traits.ts";
import type { VectorIndex } from "../stores/vector-index.ts";
import type { ExporterParts } from "../transfer/export.ts";
import type { ImporterParts } from "../transfer/import.ts";
import { attemptsOf } from "../write/attempt.ts";
import { Backlog } from "../write/backlog.ts";
import { Batcher } from "../write/batcher.ts";
import { DeploymentStores } from "../write/deployment-stores.ts";
import { Intake } from "../write/intake.ts";
import { Outcomes } from "../write/outcomes.ts";
import { Publisher } from "../write/publisher.ts";
import { type Probed, StoreGate } from "../write/store-gate.ts";
import { Sweeper } from "../write/sweeper.ts";
import type { OnWriteStep } from "../write/write-step.ts";
import { Writer } from "../write/writer.ts";
import { assembleConsistency, type ConsistencyParts } from "./assemble-consistency.ts";
import { Metrics } from "./metrics.ts";
import { observe } from "./observe.ts";

/** What a synchronizer is made of, once connected. */
export interface Parts extends ConsistencyParts {
  readonly options: EffectiveOptions;
  readonly postgres: PostgresAccess;
  readonly ledger: LedgerStore;
  readonly ledgerGate: StoreGate<Probed>;
  readonly stores: StoreRegistry;
  readonly deployment: DeploymentStores;
  readonly gates: readonly StoreGate[];
  readonly validator: MemoryValidator;
  readonly intake: Intake;
  readonly writer: Writer;
  readonly batcher: Batcher;
  readonly outcomes: Outcomes;
  readonly backlog: Backlog;
  readonly sweeper: Sweeper;
  readonly history: History;
  /** Backlog and expiry. */
  readonly syncLoop: Loop;
  /** What other nodes wrote, for the vector index; null without one that follows. */
  readonly followLoop: Loop | null;
  readonly feedSignal: FeedSignal;
  readonly jobs: Jobs;
  readonly jobRunner: JobRunner;
  readonly reader: Reader;
  readonly exporter: ExporterParts;
  readonly importer: ImporterParts;
  readonly embedder: Embedder | null;
  readonly metrics: Metrics;
  /** One per store, started by the synchronizer. */
  readonly monitors: readonly HealthMonitor[];
  /** Null with clients of the caller's. */
  readonly pools: ConnectionPoolManager | null;
  readonly log: Log;
}

export interface Connections {
  readonly postgres: PostgresAccess;
  readonly ledger: LedgerStore;
  readonly pools: ConnectionPoolManager | null;
  /** In the order of reports. */
  readonly projections: readonly Projection[];
  readonly embedder: Embedder | null;
  readonly log: Log;
  /** For fault tests: see `WRITE_STEPS`. */
  readonly onStep?: OnWriteStep | undefined;
}

/** Wires the parts together. Opens nothing. */
export function assemble(options: EffectiveOptions, connections: Connections): Parts {
  const { postgres, ledger, embedder, log, onStep } = connections;
  const stores = new StoreRegistry(connections.projections);
  const { projections } = stores;
  const gateOptions = {
    failuresMax: options.storeFailuresMax,
    probeIntervalMs: options.storeProbeIntervalMs,
    probeTimeoutMs: options.storeProbeTimeoutMs,
  };
  const gates = projections.map((projection) => new StoreGate(projection, gateOptions));
  const gateOf = (projection: Projection | null): StoreGate | null =>
    gates.find(({ target }) => target === projection) ?? null;
  const outcomes = new Outcomes(projections);
  const deployment = new DeploymentStores(ledger, stores);
  const ledgerGate = new StoreGate<Probed>({ id: LEDGER_ID, health: (signal) => ledger.health(signal) }, gateOptions);
  const model = stores.vectorShape.model ?? embedder?.model;
  const shape = { ...stores.vectorShape, ...(model && { model }) };
  const validator = new MemoryValidator(shape, options);
  const {
    historyVersionsMax,
    prepareTimeoutMs,
    publishTimeoutMs,
    inDoubtTimeoutMs,
    retriesMax,
    retryDelayMs,
    onStoreDown,
  } = options;
  const metrics = new Metrics(stores.ids);
  const floors = new VersionFloors();
  const disproved = new DisprovedEntries();
  const feedSignal = new FeedSignal(postgres, log);
  const followers = projections.filter((projection) => projection.catchUp !== undefined);
  const followLoop =
    followers.length === 0 ? null : createFollowLoop(followers, feedSignal, options.syncIntervalMs, log);
  const writer = new Writer({
    attempt: attemptsOf({
      ledger,
      storeIds: outcomes.storeIds,
      storeVersions: storeVersionTemplates(
        projections.map(({ id }) => id),
        projections.filter(({ traits }) => keepsMemory(traits, false)).map(({ id }) => id),
      ),
      historyVersionsMax,
      prepareTimeoutMs,
      inDoubtTimeoutMs,
      onStep,
    }),
    publisher: new Publisher({
      ledger,
      gates,
      log,
      publishTimeoutMs,
      unattached: () => deployment.unattached,
      onStep,
      onUnproven: (store, change) => {
        if (store === stores.cache?.id) disproved.add(change, provenVersion(change));
      },
      onCommitted: (key, version) => {
        floors.raise(key, version);
        feedSignal.touch();
      },
    }),
    outcomes,
    ledger,
    ledgerGate,
    gates,
    log,
    onStoreDown,
    retriesMax,
    retryDelayMs,
  });
  const now = Date.now;
  const measured: Pick<Writer, "write"> = {
    write: (intents, chunk) => {
      metrics.transactionBegun(intents.length);
      return writer.write(intents, chunk);
    },
  };
  const batcher = new Batcher(measured, outcomes, {
    batchSize: options.batchSize,
    concurrency: options.writeConcurrency,
    waitingMax: options.writeWaitingMax,
  });
  const consistency = assembleConsistency({
    options,
    postgres,
    ledger,
    projections,
    validator,
    unfilled: (signal) => deployment.unfilled(signal),
    embedder,
    write: (intent, signal) => batcher.write(intent, true, signal),
    metrics,
    log,
  });
  const backlog = new Backlog({
    ledger,
    gates,
    log,
    workerId: `${ledger.nodeId}/${process.pid}/${newUlid()}`,
    publishDeadlineMs: options.publishDeadlineMs,
    publishTimeoutMs,
    attemptsMax: options.queueAttemptsMax,
    settleUnproven: consistency.settleUnproven,
  });
  const { jobs, runner: jobRunner } = createJobs({
    postgres,
    ledger,
    stores,
    checker: consistency.checker,
    repairer: consistency.repairer,
    pace: consistency.pace,
    defaultStrategy: options.repairStrategy,
    onFilled: (store, memories) => metrics.refilled(store, memories),
    callTimeoutMs: options.callTimeoutMs,
    log,
  });
  const portable = new PortableLedger(postgres, { callTimeoutMs: options.callTimeoutMs });
  const sweeper = new Sweeper({ ledger, batcher, transactionRetentionMs: options.transactionRetentionMs });
  return {
    options,
    postgres,
    ledger,
    ledgerGate,
    stores,
    deployment,
    gates,
    validator,
    intake: new Intake(validator, embedder),
    writer,
    batcher,
    outcomes,
    backlog,
    sweeper,
    history: new History({
      ledger,
      write: (intent, signal) => batcher.write(intent, true, signal),
      writeAtomically: (intents, signal) => batcher.writeTogether(intents, { atomic: true }, true, signal),
    }),
    syncLoop: new Loop({
      name: "sync",
      intervalMs: options.syncIntervalMs,
      log,
      pass: async (signal) => {
        await deployment.refresh(signal);
        const { more } = await backlog.runOnce(signal);
        const swept = await sweeper.runOnce(signal);
        return more || swept.more;
      },
    }),
    feedSignal,
    followLoop,
    jobs,
    jobRunner,
    reader: new Reader({
      ledger,
      cache: gateOf(stores.cache),
      vectorIndex: gateOf(stores.vectorIndex) as StoreGate<VectorIndex> | null,
      floors,
      disproved,
      log,
      cacheTimeoutMs: options.cacheTimeoutMs,
      now,
    }),
    ...consistency,
    exporter: { ledger: portable, log },
    importer: {
      ledger,
      records: consistency.records,
      projections,
      portable,
      write: (intent, signal) => batcher.write(intent, true, signal),
      validator,
      // What was replaced may be of an earlier index, so its vectors need not fit this one.
      validators: { memory: validator, history: new MemoryValidator({}, options) },
      strategies: consistency.strategies,
      defaultStrategy: options.repairStrategy,
      strategyTimeoutMs: options.strategyTimeoutMs,
      log,
    },
    embedder,
    metrics,
    monitors: observe({
      metrics,
      ledger,
      postgres,
      stores,
      pools: connections.pools,
      log,
      healthCheckIntervalMs: options.healthCheckIntervalMs,
      metricsFreshMs: options.metricsFreshMs,
    }),
    pools: connections.pools,
    log,
  };
}

/** Takes over what other nodes wrote: when they say so, and at intervals, since what they say may go unheard. */
function createFollowLoop(followers: readonly Projection[], news: FeedSignal, intervalMs: number, log: Log): Loop {
  const loop: Loop = new Loop({
    name: "follow",
    intervalMs,
    log,
    pass: async (signal) => {
      const listening = news.listen(() => loop.wake(), signal);
      // Without it the interval is all there is: no reason not to look.
      await listening.catch((error: Error) => log.debug({ error: error.message }, "feed.not_listening"));
      await Promise.all(followers.map((projection) => projection.catchUp?.(signal)));
      return false;
    },
  });
  return loop;
}

/** A name that stays the same from start to start: of this host and this index folder. */
export function defaultNodeId({ faiss }: { readonly faiss?: { readonly directory: string } | undefined }): string {
  const place = faiss === undefined ? "" : resolve(faiss.directory);
  return createHash("sha256").update(`${hostname()}\u0000${place}`).digest("hex").slice(0, 12);
}

/** A ledger on `postgres`, named as the options say. */
export function createLedger(options: EffectiveOptions, postgres: PostgresAccess): Ledger {
  return new Ledger(postgres, {
    nodeId: options.nodeId ?? defaultNodeId(options),
    callTimeoutMs: options.callTimeoutMs,
  });
}
