export type {
  CallOptions,
  ConnectExtras,
  KeyOptions,
  MemoryFields,
  OwnClients,
  SearchOptions,
  WriteOptions,
} from "./calls.ts";
export type { Options } from "./config/options.ts";
export { openVectorIndex } from "./connect.ts";
export type { CheckOptions } from "./consistency/check-options.ts";
export type { RepairDetail, RepairOptions, RepairReport } from "./consistency/repairer.ts";
export {
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
