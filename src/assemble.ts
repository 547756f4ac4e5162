import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Redis } from "ioredis";
import { ulid } from "ulid";
import type { EffectiveOptions } from "./config/options.ts";
import { StrategyRegistry } from "./conflict/registry.ts";
import type { PostgresAccess } from "./connection/postgres-access.ts";
import { Checker } from "./consistency/checker.ts";
import { Leadership } from "./consistency/leadership.ts";
import { EventLoopWatch, Pace } from "./consistency/pace.ts";
import { PendingConflicts } from "./consistency/pending-conflicts.ts";
import { Repairer } from "./consistency/repairer.ts";
import { ConsistencyWatch } from "./consistency/watch.ts";
import type { Embedder } from "./embed/embedder.ts";
import { HashingEmbedder } from "./embed/hashing-embedder.ts";
import { HttpEmbedder } from "./embed/http-embedder.ts";
import { ConfigurationError } from "./errors.ts";
import { History } from "./history/history.ts";
import { CheckLedger, type CheckRecords } from "./ledger/check-ledger.ts";
import { Ledger, type LedgerStore } from "./ledger/ledger.ts";
import { PortableLedger } from "./ledger/portable-ledger.ts";
import { Loop } from "./lifecycle/loop.ts";
import { MemoryValidator } from "./memory/schema.ts";
import type { Log } from "./observability/log.ts";
import type { ExporterParts } from "./portable/export.ts";
import type { ImporterParts } from "./portable/import.ts";
import type { Projection } from "./projections/projection.ts";
import { RedisProjection } from "./projections/redis/redis-projection.ts";
import type { VectorIndex } from "./projections/vector-index.ts";
import { Reader } from "./read/reader.ts";
import { VersionFloors } from "./read/version-floors.ts";
import { Backlog } from "./write/backlog.ts";
import { Batcher } from "./write/batcher.ts";
import type { WriteStep } from "./write/commit.ts";
import { Intake } from "./write/intake.ts";
import type { WriteIntent } from "./write/plan.ts";
import { type Probed, StoreGate } from "./write/store-gate.ts";
import { Sweeper } from "./write/sweeper.ts";
import { Writer } from "./write/writer.ts";

/** What a synchronizer is made of, once connected. */
export interface Parts {
  readonly options: EffectiveOptions;
  readonly postgres: PostgresAccess;
  readonly ledger: LedgerStore;
  readonly ledgerGate: StoreGate<Probed>;
  readonly redis: StoreGate<RedisProjection>;
  readonly vectorIndex: VectorIndex | null;
  readonly gates: readonly StoreGate[];
  readonly validator: MemoryValidator;
  readonly intake: Intake;
  readonly writer: Writer;
  readonly batcher: Batcher;
  readonly backlog: Backlog;
  readonly sweeper: Sweeper;
  readonly history: History;
  /** Backlog, expiry, and what other nodes wrote. */
  readonly syncLoop: Loop;
  readonly reader: Reader;
  readonly records: CheckRecords;
  readonly strategies: StrategyRegistry;
  readonly checker: Checker;
  readonly repairer: Repairer;
  readonly conflicts: PendingConflicts;
  /** Which node looks at the stores that all share. */
  readonly leadership: Leadership;
  /** Checks and repairs. */
  readonly consistencyLoop: Loop;
  readonly exporter: ExporterParts;
  readonly importer: ImporterParts;
  readonly embedder: Embedder | null;
  readonly log: Log;
}

export interface Connections {
  readonly postgres: PostgresAccess;
  readonly ledger: LedgerStore;
  readonly redis: Redis;
  readonly ownsRedis: boolean;
  readonly vectorIndex: VectorIndex | null;
  readonly embedder: Embedder | null;
  readonly log: Log;
  /** For fault tests: see `WRITE_STEPS`. */
  readonly onStep?: ((step: WriteStep) => void | Promise<void>) | undefined;
}

/** Wires the parts together. Opens nothing. */
export function assemble(options: EffectiveOptions, connections: Connections): Parts {
  const { postgres, ledger, vectorIndex, embedder, log, onStep } = connections;
  const redisProjection = new RedisProjection(connections.redis, {
    prefix: options.redisPrefix,
    storeEmbedding: options.redisStoreEmbedding,
    tombstoneTtlMs: options.redisTombstoneTtlMs,
    nodeId: ledger.nodeId,
    ownsClient: connections.ownsRedis,
  });
  const projections: Projection[] = vectorIndex === null ? [redisProjection] : [redisProjection, vectorIndex];
  const redis = new StoreGate(redisProjection);
  const index = vectorIndex === null ? null : new StoreGate(vectorIndex);
  const gates: StoreGate[] = index === null ? [redis] : [redis, index];
  const ledgerGate = new StoreGate<Probed>({ store: "postgres", health: (signal) => ledger.health(signal) });
  const model = options.faiss?.model ?? embedder?.model;
  const shape = {
    ...(options.faiss === undefined ? {} : { dimension: options.faiss.dimension, metric: options.faiss.metric }),
    ...(model === undefined ? {} : { model }),
  };
  const validator = new MemoryValidator(shape);
  const {
    historyVersionsMax,
    prepareTimeoutMs,
    publishTimeoutMs,
    inDoubtTimeoutMs,
    retriesMax,
    retryDelayMs,
    onStoreDown,
  } = options;
  const floors = new VersionFloors();
  const writer = new Writer({
    ledger,
    ledgerGate,
    gates,
    log,
    historyVersionsMax,
    prepareTimeoutMs,
    publishTimeoutMs,
    inDoubtTimeoutMs,
    retriesMax,
    retryDelayMs,
    onStoreDown,
    onStep,
    onCommitted: (key, version) => floors.raise(key, version),
  });
  const now = Date.now;
  const batcher = new Batcher(writer, {
    batchSize: options.batchSize,
    concurrency: options.writeConcurrency,
    waitingMax: options.writeWaitingMax,
  });
  const backlog = new Backlog({
    ledger,
    gates,
    log,
    workerId: `${ledger.nodeId}/${process.pid}/${ulid()}`,
    publishDeadlineMs: options.publishDeadlineMs,
    publishTimeoutMs,
    attemptsMax: options.queueAttemptsMax,
  });
  const records = new CheckLedger(postgres, { nodeId: ledger.nodeId, callTimeoutMs: options.callTimeoutMs });
  const strategies = new StrategyRegistry();
  const checker = new Checker({
    ledger,
    records,
    projections,
    indexShape: shape,
    log,
    overdueMs: options.publishDeadlineMs,
    pace: (memoriesPerSecondMax) => {
      const eventLoop = new EventLoopWatch();
      return new Pace({
        memoriesPerSecondMax: memoriesPerSecondMax ?? options.checkMemoriesPerSecondMax ?? null,
        load: () => ({
          eventLoopDelayMs: eventLoop.worstMs(),
          postgresWaiting: postgres.statistics().waiting,
        }),
        end: () => eventLoop.stop(),
      });
    },
    now,
  });
  const repairerParts = {
    ledger,
    records,
    projections,
    validator,
    indexShape: shape,
    embedder,
    write: (intent: WriteIntent, signal: AbortSignal) => batcher.write(intent, true, signal),
    strategies,
    strategyTimeoutMs: options.strategyTimeoutMs,
    log,
    now,
  };
  const repairer = new Repairer(repairerParts);
  const portable = new PortableLedger(postgres, { callTimeoutMs: options.callTimeoutMs });
  const leadership = new Leadership({
    records,
    name: "checker",
    holder: `${ledger.nodeId}/${process.pid}/${ulid()}`,
    leaseMs: options.checkerLeaseMs,
    log,
  });
  const watch = new ConsistencyWatch({
    checker,
    repairer,
    records,
    projections,
    isLeader: () => leadership.isLeader,
    log,
    intervalMs: options.consistencyCheckIntervalMs,
    sweepMs: options.consistencySweepMs,
    repairKinds: options.repairKinds,
    strategy: options.repairStrategy,
    repairsMax: options.repairsPerPassMax,
  });
  const sweeper = new Sweeper({ ledger, batcher, transactionRetentionMs: options.transactionRetentionMs });
  return {
    options,
    postgres,
    ledger,
    ledgerGate,
    redis,
    vectorIndex,
    gates,
    validator,
    intake: new Intake(validator, embedder),
    writer,
    batcher,
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
        const { more } = await backlog.runOnce(signal);
        const swept = await sweeper.runOnce(signal);
        await vectorIndex?.catchUp?.(signal);
        return more || swept.more;
      },
    }),
    reader: new Reader({ ledger, redis, vectorIndex: index, floors, log, cacheTimeoutMs: options.cacheTimeoutMs, now }),
    records,
    strategies,
    checker,
    repairer,
    conflicts: new PendingConflicts(repairerParts),
    leadership,
    consistencyLoop: new Loop({
      name: "consistency",
      intervalMs: options.consistencyCheckIntervalMs,
      log,
      pass: (signal) => watch.runOnce(signal).then(() => false),
    }),
    exporter: { ledger: portable, log },
    importer: {
      ...repairerParts,
      portable,
      // What was replaced may be of an earlier index, so its vectors need not fit this one.
      validators: { memory: validator, history: new MemoryValidator() },
      defaultStrategy: options.repairStrategy,
    },
    embedder,
    log,
  };
}

/** The embedder that the options ask for; null for none. @throws {ConfigurationError} */
export function createEmbedder(options: EffectiveOptions): Embedder | null {
  const { provider, url, model, apiKey } = options.embedding;
  const dimension = options.faiss?.dimension ?? 384;
  if (provider === "none") return null;
  if (provider === "hashing") return new HashingEmbedder({ dimension });
  if (url === undefined || model === undefined) {
    throw new ConfigurationError("embedding.provider is http: embedding.url and embedding.model are needed too");
  }
  return new HttpEmbedder({ url, model, dimension, ...(apiKey === undefined ? {} : { apiKey }) });
}

/** A name that stays the same from start to start: of this host and this index folder. */
export function defaultNodeId(options: EffectiveOptions): string {
  const place = options.faiss === undefined ? "" : resolve(options.faiss.directory);
  return createHash("sha256").update(`${hostname()}\u0000${place}`).digest("hex").slice(0, 12);
}

/** A ledger on `postgres`, named as the options say. */
export function createLedger(options: EffectiveOptions, postgres: PostgresAccess): Ledger {
  return new Ledger(postgres, {
    nodeId: options.nodeId ?? defaultNodeId(options),
    callTimeoutMs: options.callTimeoutMs,
  });
}
