// Made from the settings of each room (src/*/settings.ts) by `npm run docs`: change a description, a bound or a default there.
import type { DriftKind } from "../consistency/check/report.ts";
import type { FaissOptions } from "../stores/faiss/options.ts";
import type { StoreModuleInput } from "../stores/settings.ts";
import type {
  ConnectorServiceOptions,
  EdgeSectionOptions,
  EmbeddingOptions,
  HttpServiceOptions,
  HubOptions,
  IndexOptions,
  McpOptions,
  ReplicaOptions,
  RetentionOptions,
  WebhookOptions,
} from "./option-groups.ts";

/**
 * The settings of a synchronizer. Only `postgresUrl` and `redisUrl` are required; a field that is `undefined` counts as
 * absent.
 */
export interface Options {
  /**
   * Address of the ledger: postgres://user:password@host:port/database; several hosts with target_session_attrs, TLS
   * with sslmode and sslrootcert.
   */
  postgresUrl: string;
  /**
   * Address of the working memory: redis://host:port/number, or rediss:// for TLS; redis+sentinel://host,host/master/0;
   * redis+cluster://host,host; none: no Redis.
   */
  redisUrl: string;
  /**
   * Connections to Postgres that a running service keeps open, postgresConnectionsMax at most. From 0 to 500.
   * @default 10
   */
  postgresConnectionsMin?: number | undefined;
  /** Connections to Postgres, at most. From 2 to 500. @default 20 */
  postgresConnectionsMax?: number | undefined;
  /** Connections to Redis, at most. From 1 to 1_000. @default 50 */
  redisConnectionsMax?: number | undefined;
  /** Milliseconds that opening a connection to Postgres or Redis may take. From 10 to 86_400_000. @default 5_000 */
  connectTimeoutMs?: number | undefined;
  /** Milliseconds that a statement may take before Postgres cancels it. From 100 to 86_400_000. @default 60_000 */
  commandTimeoutMs?: number | undefined;
  /**
   * Milliseconds that a statement waits for a row lock before its transaction is retried. From 10 to 86_400_000.
   * @default 5_000
   */
  lockTimeoutMs?: number | undefined;
  /** Calls that may wait for a connection; further ones are refused at once. From 1 to 1_000_000. @default 10_000 */
  connectionWaitingMax?: number | undefined;
  /**
   * Milliseconds after which an idle connection is replaced by a new one. From 1_000 to 86_400_000.
   * @default 1_800_000
   */
  connectionLifetimeMs?: number | undefined;
  /**
   * Milliseconds after which Postgres ends a transaction of this program that sends nothing. From 100 to 86_400_000.
   * @default 60_000
   */
  idleInTransactionTimeoutMs?: number | undefined;
  /**
   * Milliseconds after which an idle connection beyond the minimum is closed. From 100 to 86_400_000.
   * @default 60_000
   */
  connectionIdleMs?: number | undefined;
  /**
   * Milliseconds between health checks of a healthy store; others are checked four times as often. From 50 to
   * 86_400_000.
   * @default 30_000
   */
  healthCheckIntervalMs?: number | undefined;
  /** Milliseconds between attempts to reconnect to Redis, at most. From 50 to 86_400_000. @default 5_000 */
  reconnectIntervalMs?: number | undefined;
  /** Name of this node in version vectors and queues; derived from the host name and the index folder by default. */
  nodeId?: string | undefined;
  /** Milliseconds that a call may take, waiting included. From 100 to 86_400_000. @default 60_000 */
  callTimeoutMs?: number | undefined;
  /** Replaced versions kept per memory. From 0 to 10_000. @default 10 */
  historyVersionsMax?: number | undefined;
  /**
   * Milliseconds that the tombstone of an ended memory is kept; 0: for good. Longer than any copy of Redis or of an
   * index may be old that comes back: a memory in it that is forgotten here counts as unknown. At least 0.
   * @default 0
   */
  tombstoneRetentionMs?: number | undefined;
  /** Milliseconds that an ended transaction is remembered. At least 60_000. @default 604_800_000 */
  transactionRetentionMs?: number | undefined;
  /**
   * Milliseconds, at least, that an idempotency key and the answer to its request are remembered. At least 60_000.
   * @default 604_800_000
   */
  idempotencyKeyRetentionMs?: number | undefined;
  /** Bytes of a memory's content, at most. From 1 to 67_108_864. @default 1_048_576 */
  contentBytesMax?: number | undefined;
  /** Bytes of a memory's metadata as JSON, at most. From 2 to 16_777_216. @default 262_144 */
  metadataBytesMax?: number | undefined;
  /** Bytes of a memory's id, at most. From 1 to 1_024. @default 512 */
  memoryIdBytesMax?: number | undefined;
  /** Memories per transaction, at most. From 1 to 5_000. @default 100 */
  batchSize?: number | undefined;
  /** Transactions that run at the same time, at most. From 1 to 64. @default 4 */
  writeConcurrency?: number | undefined;
  /** Memories that may wait for their transaction; beyond it callers wait. From 1 to 1_000_000. @default 10_000 */
  writeWaitingMax?: number | undefined;
  /** Retries of a transaction after a transient failure, at most. From 0 to 20. @default 3 */
  retriesMax?: number | undefined;
  /**
   * Milliseconds before the first retry, at most; doubles with each retry, up to 2 s. From 1 to 86_400_000.
   * @default 50
   */
  retryDelayMs?: number | undefined;
  /** Whether a write commits without a store that is down (degrade), or fails (reject). @default "degrade" */
  onStoreDown?: "degrade" | "reject" | undefined;
  /**
   * Failures in a row after which writes leave a store out until a probe succeeds; calls that were under way together
   * fail once. From 1 to 1_000.
   * @default 3
   */
  storeFailuresMax?: number | undefined;
  /** Milliseconds between probes of a store that writes leave out. From 0 to 86_400_000. @default 1_000 */
  storeProbeIntervalMs?: number | undefined;
  /** Milliseconds that a probe of a store may take. From 10 to 86_400_000. @default 2_000 */
  storeProbeTimeoutMs?: number | undefined;
  /**
   * Milliseconds for the stores to accept a transaction before it is committed. From 10 to 86_400_000.
   * @default 2_000
   */
  prepareTimeoutMs?: number | undefined;
  /**
   * Milliseconds for the stores to show a committed transaction before it goes to the backlog. From 10 to 86_400_000.
   * @default 10_000
   */
  publishTimeoutMs?: number | undefined;
  /** Milliseconds to find out the outcome of a commit whose answer was lost. From 100 to 86_400_000. @default 30_000 */
  inDoubtTimeoutMs?: number | undefined;
  /**
   * Milliseconds after which the backlog takes over an unpublished transaction and it counts as drift. From 100 to
   * 86_400_000.
   * @default 30_000
   */
  publishDeadlineMs?: number | undefined;
  /** Milliseconds between passes of the backlog. From 10 to 86_400_000. @default 5_000 */
  syncIntervalMs?: number | undefined;
  /**
   * Attempts to publish a memory that a store refuses, before it becomes a dead letter. From 1 to 1_000.
   * @default 10
   */
  queueAttemptsMax?: number | undefined;
  /** Milliseconds that a read waits for Redis before it asks Postgres. From 1 to 86_400_000. @default 1_000 */
  cacheTimeoutMs?: number | undefined;
  /** Milliseconds between passes of the consistency loop. From 10 to 86_400_000. @default 60_000 */
  consistencyCheckIntervalMs?: number | undefined;
  /**
   * Milliseconds in which the consistency loop compares every memory once. From 10 to 86_400_000.
   * @default 3_600_000
   */
  consistencySweepMs?: number | undefined;
  /**
   * Memories that a check compares, or a refill publishes, per second, at most; unlimited by default. From 1 to
   * 10_000_000.
   */
  checkMemoriesPerSecondMax?: number | undefined;
  /**
   * Milliseconds within which another node takes over from a checking node that is gone. From 300 to 86_400_000.
   * @default 15_000
   */
  checkerLeaseMs?: number | undefined;
  /**
   * Kinds of drift that the consistency loop repairs; it only reports the others.
   * @default ["missing","stale","ahead","diverged","corrupt","orphan","resurrected"]
   */
  repairKinds?: readonly DriftKind[] | undefined;
  /**
   * Findings that the consistency loop repairs in one pass, at most; refilling a store that lost everything is no
   * finding. From 1 to 1_000_000.
   * @default 10_000
   */
  repairsPerPassMax?: number | undefined;
  /** Conflict strategy of repairs where both sides may be right. @default "latest_wins" */
  repairStrategy?: string | undefined;
  /** Milliseconds that a conflict strategy may take for one conflict. From 1 to 86_400_000. @default 5_000 */
  strategyTimeoutMs?: number | undefined;
  /** Store ids in the order that the strategy prefer_store follows; postgres first by default. */
  preferStoreOrder?: readonly string[] | undefined;
  /**
   * Strategy for conflicts that version_vector cannot decide, because the writes were concurrent.
   * @default "latest_wins"
   */
  versionVectorFallback?: "latest_wins" | "merge" | "manual" | "prefer_store" | undefined;
  /**
   * Milliseconds for which scrapes share one reading of the gauges that need a query. From 0 to 86_400_000.
   * @default 5_000
   */
  metricsFreshMs?: number | undefined;
  /** Prefix of every Redis key. @default "mnemosync" */
  redisPrefix?: string | undefined;
  /** Whether Redis holds the vectors too; without them, memories with a vector are read from Postgres. @default true */
  redisStoreEmbedding?: boolean | undefined;
  /** Milliseconds that Redis keeps the tombstone of a deleted memory. From 1_000 to 86_400_000. @default 86_400_000 */
  redisTombstoneTtlMs?: number | undefined;
  /**
   * Milliseconds that one call of Redis may take, even when its caller has a longer deadline. From 100 to 86_400_000.
   * @default 10_000
   */
  redisCallTimeoutMs?: number | undefined;
  /** The FAISS index. Absent: no index, and no search. */
  faiss?: Omit<FaissOptions, "onProgress"> | undefined;
  /**
   * Further stores, a list of { module, options }: a package or a path to a module that exports a factory of a
   * Projection. As text: names of modules separated by commas, or the list as JSON.
   * @default []
   */
  stores?: readonly StoreModuleInput[] | undefined;
  /** How text becomes vectors. */
  embedding?: EmbeddingOptions | undefined;
  /** Indexes of the ledger that not every user needs: each write pays for one that exists. */
  indexes?: IndexOptions | undefined;
  /** What is kept of the past, beside `historyVersionsMax`, by time and by namespace. */
  retention?: RetentionOptions | undefined;
  /** The HTTP service of `mnemosync serve`. The library does not use them. */
  http?: HttpServiceOptions | undefined;
  /** MCP: sessions of the service, and limits of every connection. docs/mcp.md explains them. */
  mcp?: McpOptions | undefined;
  /** Webhooks: how receivers are called. docs/webhooks.md explains them. */
  webhooks?: WebhookOptions | undefined;
  /** The hub of edges: what their devices may use. docs/hub.md explains them. */
  hub?: HubOptions | undefined;
  /** The replica: a second database that is written from the change feed. docs/replica.md explains it. */
  replica?: ReplicaOptions | undefined;
  /** Connectors to other services, on a schedule. docs/connectors.md explains them. */
  connectors?: ConnectorServiceOptions | undefined;
  /** The edge, for `mnemosync edge`: an agent's memories in one SQLite file. docs/edge.md explains it. */
  edge?: EdgeSectionOptions | undefined;
}
