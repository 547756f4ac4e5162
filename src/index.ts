export type {
  CallOptions,
  ConnectExtras,
  KeyOptions,
  MemoryFields,
  OwnClients,
  SearchOptions,
  WriteOptions,
} from "./calls.ts";
export { CAPABILITIES, type Capability } from "./capabilities.ts";
export type { Options } from "./config/options.ts";
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
export { openVectorIndex } from "./connect.ts";
export {
  type ConnectionPoolEvents,
  ConnectionPoolManager,
  type ConnectionPoolOptions,
  type HealthStatus,
} from "./connection/connection-pool-manager.ts";
export type { HealthReport } from "./connection/health-monitor.ts";
export type { PostgresConnection } from "./connection/postgres-access.ts";
export type { RedisLink } from "./connection/redis-client.ts";
export type { HealthState } from "./connection/store-health.ts";
export type { CheckOptions, CheckProgress } from "./consistency/check-options.ts";
export type { CheckStatus, ConsistencyStatus } from "./consistency/consistency-status.ts";
export type {
  ConflictDecision,
  ConflictDetails,
  ConflictListOptions,
  ConflictSide,
  ConflictSummary,
  DecisionOutcome,
  PendingConflicts,
} from "./consistency/pending-conflicts.ts";
export type { RepairDetail, RepairOptions, RepairReport } from "./consistency/repair-options.ts";
export {
  CHECK_SCOPES,
  type CheckScope,
  type ConsistencyReport,
  DRIFT_KINDS,
  type DriftKind,
  type Finding,
} from "./consistency/report.ts";
export type { Embedder } from "./embed/embedder.ts";
export { HashingEmbedder, type HashingEmbedderOptions } from "./embed/hashing-embedder.ts";
export { HttpEmbedder } from "./embed/http-embedder.ts";
export type { HttpEmbedderOptions } from "./embed/http-embedder-options.ts";
export * from "./errors.ts";
export type { FieldDifference } from "./history/diff.ts";
export type { MemoryVersion, VersionDiff } from "./history/history.ts";
export type { QueueEntry } from "./ledger/queue-statements.ts";
export { checksumOf, entryDigest } from "./memory/checksum.ts";
export type { JsonObject, JsonValue } from "./memory/json.ts";
export { bucketOf, DEFAULT_NAMESPACE, type MemoryKey } from "./memory/keys.ts";
export { canonicalJson, type MemoryDocument, type Privacy } from "./memory/memory.ts";
export type { MemoryInput } from "./memory/schema.ts";
export type { VersionVector } from "./memory/version-vector.ts";
export { createLog, type Log } from "./observability/log.ts";
export type { Metrics } from "./observability/metrics.ts";
export type { ExportOptions, ExportProgress } from "./portable/export.ts";
export {
  type ExportEnd,
  type ExportedVersion,
  type ExportHeader,
  type ExportRecord,
  exportLine,
  isExportHeader,
} from "./portable/format.ts";
export type {
  ImportOptions,
  ImportPosition,
  ImportReport,
  OnConflict,
  RejectedRecord,
} from "./portable/import-options.ts";
export type { ImportSource } from "./portable/records.ts";
export type { FeedCursor } from "./projections/change-source.ts";
export { FaissProjection } from "./projections/faiss/faiss-projection.ts";
export type { FaissOptions } from "./projections/faiss/options.ts";
export type { Projection } from "./projections/projection.ts";
export type { VectorHit, VectorIndex } from "./projections/vector-index.ts";
export type { Memory } from "./read/memory.ts";
export type { MemoryFilter, SearchFilter } from "./read/memory-filter.ts";
export type { SearchResult } from "./read/reader.ts";
export type { Status, StoreStatus } from "./status.ts";
export { MemorySynchronizer } from "./synchronizer.ts";
export type { Backlog, BacklogPass } from "./write/backlog.ts";
export type { BatchOptions, BatchProgress } from "./write/batch-options.ts";
export { WRITE_STEPS, type WriteStep } from "./write/commit.ts";
export type { StoreOutcome, SyncOutcome, SyncStatus } from "./write/outcome.ts";
