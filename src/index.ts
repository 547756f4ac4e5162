export type {
  EmbeddingOptions,
  HttpServiceOptions,
  HubOptions,
  IndexOptions,
  ReplicaOptions,
  RetentionOptions,
  WebhookOptions,
} from "./config/option-groups.ts";
export type { Options } from "./config/option-types.ts";
export {
  type ComparedSide,
  type DocumentDifference,
  differences,
  type EmbeddingDifference,
  type SideDifferences,
} from "./conflict/differences.ts";
export { latestWins } from "./conflict/latest-wins.ts";
export { manual } from "./conflict/manual.ts";
export { merge } from "./conflict/merge.ts";
export { preferStore } from "./conflict/prefer-store.ts";
export { BUILT_IN_STRATEGIES, type BuiltInStrategy } from "./conflict/registry.ts";
export type { Candidate, Conflict, ConflictBase, ConflictStrategy, Resolution } from "./conflict/strategy.ts";
export { versionVector } from "./conflict/version-vector.ts";
export type { ConnectorInput } from "./connectors/definition.ts";
export type { ConnectorCall, LettersOptions, RunsOptions, TriggerOptions } from "./connectors/hosted/connector-call.ts";
export type { Letter, LetterPage } from "./connectors/hosted/connector-letters.ts";
export type { Connectors } from "./connectors/hosted/connectors.ts";
export type { DefinedConnector } from "./connectors/hosted/definitions.ts";
export type { ConnectorRun } from "./connectors/hosted/run-view.ts";
export { ConnectorRunningError } from "./connectors/hosted/running-error.ts";
export type { ConnectorStatus } from "./connectors/hosted/status.ts";
export type { CheckOptions, CheckProgress } from "./consistency/check/check-options.ts";
export {
  CHECK_SCOPES,
  type CheckScope,
  type ConsistencyReport,
  DRIFT_KINDS,
  type DriftKind,
  type Finding,
} from "./consistency/check/report.ts";
export type { CopyState, MemoryCopies, MemoryCopy } from "./consistency/copies/memory-copy.ts";
export type { CheckStatus, ConsistencyStatus } from "./consistency/loop/consistency-status.ts";
export type { EmbedFailure } from "./consistency/reembed/embed-page.ts";
export type {
  ConflictDecision,
  ConflictDetails,
  ConflictListOptions,
  ConflictSide,
  ConflictSummary,
  DecisionOutcome,
  PendingConflicts,
} from "./consistency/repair/pending-conflicts.ts";
export type { RepairDetail, RepairOptions, RepairReport } from "./consistency/repair/repair-options.ts";
export type { FeedCursor } from "./domain/change-source.ts";
export { checksumOf, entryDigest } from "./domain/checksum.ts";
export type { Ending } from "./domain/ending.ts";
export * from "./domain/errors.ts";
export type { Filter } from "./domain/filter/filter.ts";
export type { JsonObject, JsonValue } from "./domain/json.ts";
export { bucketOf, DEFAULT_NAMESPACE, type MemoryKey } from "./domain/keys.ts";
export { canonicalJson, type Memory, type MemoryDocument, type Privacy } from "./domain/memory.ts";
export type { MemoryFields, MemoryInput } from "./domain/memory-input.ts";
export { VersionConflictError } from "./domain/version-conflict.ts";
export type { VersionVector } from "./domain/version-vector.ts";
export { ConnectionPoolManager } from "./drivers/connection-pool-manager.ts";
export type { ConnectionPoolEvents, ConnectionPoolOptions, HealthStatus } from "./drivers/connection-pool-options.ts";
export type { PostgresConnection } from "./drivers/postgres/postgres-access.ts";
export type { RedisLink } from "./drivers/redis/redis-client.ts";
export type { Embedder } from "./embed/embedder.ts";
export { HashingEmbedder, type HashingEmbedderOptions } from "./embed/hashing-embedder.ts";
export { HttpEmbedder } from "./embed/http-embedder.ts";
export type { HttpEmbedderOptions } from "./embed/http-embedder-options.ts";
export type { EraseNotes, ErasePreview, EraseTarget } from "./erase/options.ts";
export type { Erasure, ErasureState, StoreConfirmation } from "./erase/receipt.ts";
export type { SuppressedMemory, SuppressedPage } from "./erase/suppressed.ts";
export type {
  ChangedMemory,
  ChangeEvent,
  ChangePage,
  ChangeQuery,
  ChangesOptions,
  EndEvent,
  PutEvent,
  ReadChangesOptions,
} from "./feed/change-options.ts";
export type { Job, JobProgress, JobState } from "./jobs/job.ts";
export type { JobContext, JobKind } from "./jobs/job-kind.ts";
export type { Jobs, Schedule, StartOutcome } from "./jobs/jobs.ts";
export type { ReembedReport } from "./jobs/kinds/reembed.ts";
export type { Rhythm } from "./jobs/rhythm.ts";
export type { DeployedStore } from "./ledger/deployment-statements.ts";
export type { QueueEntry } from "./ledger/queue-view.ts";
export type { NamespaceRetention } from "./ledger/settings.ts";
export type { FieldDifference } from "./read/diff.ts";
export type { MemoryVersion, VersionDiff } from "./read/history.ts";
export type {
  ListedMemory,
  ListOrder,
  MemoryCount,
  MemoryPage,
  NamespacePage,
} from "./read/list-options.ts";
export type { MemoryFilter, PartOf, SearchFilter } from "./read/memory-filter.ts";
export type { OnSources, PrimarySource, ReadSources, ReplicaSource } from "./read/read-sources.ts";
export type { SearchMode, SearchResult } from "./read/search/search-result.ts";
export type { HealthReport } from "./runtime/health-monitor.ts";
export { createLog, type Log } from "./runtime/log.ts";
export type { Metrics } from "./runtime/metric-base.ts";
export type { HealthState } from "./runtime/store-health.ts";
export { FaissProjection } from "./stores/faiss/client/faiss-projection.ts";
export type { FaissOptions } from "./stores/faiss/options.ts";
export * from "./stores/index.ts";
export type {
  AbortOptions,
  CallOptions,
  CheckFindings,
  CountOptions,
  DeleteOptions,
  EraseOptions,
  ErasuresOptions,
  ExpectedVersion,
  GetOptions,
  HistoryOptions,
  KeyOptions,
  ListAllOptions,
  ListOptions,
  MemoryInputs,
  NamespacesOptions,
  PatchOptions,
  ReadOptions,
  RollbackOptions,
  SearchOptions,
  SearchQuery,
  SuppressedOptions,
  WriteOptions,
  WrittenVersion,
} from "./synchronizer/calls.ts";
export { CAPABILITIES, type Capability } from "./synchronizer/capabilities.ts";
export { openVectorIndex } from "./synchronizer/connect.ts";
export type { Clients, ConnectExtras, ConnectOptions, WithClientsOptions } from "./synchronizer/connect-options.ts";
export type { Erasures } from "./synchronizer/erasures.ts";
export type {
  BacklogNotice,
  ConflictNotice,
  DriftNotice,
  EventListener,
  EventName,
  HealthNotice,
  RunFailedNotice,
  SynchronizerEvents,
} from "./synchronizer/notifications.ts";
export type { ReembedOptions } from "./synchronizer/reembeddings.ts";
export type { SharedStores } from "./synchronizer/shared-stores.ts";
export type { Status, StatusOptions, StoreStatus } from "./synchronizer/status.ts";
export { MemorySynchronizer } from "./synchronizer/synchronizer.ts";
export type { ExportOptions, ExportProgress } from "./transfer/export.ts";
export {
  type ExportEnd,
  type ExportedVersion,
  type ExportHeader,
  type ExportRecord,
  exportLine,
  isExportHeader,
} from "./transfer/format.ts";
export type {
  ImportOptions,
  ImportPosition,
  ImportReport,
  OnConflict,
  RejectedRecord,
} from "./transfer/import-options.ts";
export type { ImportSource } from "./transfer/records.ts";
export type { DeadLetter } from "./webhooks/message.ts";
export type { PausedReason, Subscription, SubscriptionInput } from "./webhooks/subscription.ts";
export type { SubscriptionCall } from "./webhooks/subscription-call.ts";
export type { Subscriptions, SubscriptionWithSecret, TestDelivery } from "./webhooks/subscriptions.ts";
export type { Backlog, BacklogPass } from "./write/backlog.ts";
export type { BatchOptions, BatchProgress } from "./write/batch-options.ts";
export type { StoreOutcome, SyncOutcome, SyncStatus } from "./write/outcome.ts";
export type { EmbeddingChoice, MemoryPatch, MetadataPatch } from "./write/patch.ts";
