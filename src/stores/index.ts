/** The contract of stores, for programs that bring their own: `mnemosync/stores`. */

export { BucketDigests, BucketSet } from "../domain/buckets.ts";
export { checksumOf, embeddingBytes, embeddingFromBytes, entryDigest } from "../domain/checksum.ts";
export {
  AbortedError,
  ConfigurationError,
  MnemosyncError,
  StoreEpochError,
  StoreForeignError,
  StoreRefusedError,
  StoreUnavailableError,
} from "../domain/errors.ts";
export { bucketOf, keyText, type MemoryKey, parseKeyText } from "../domain/keys.ts";
export type { MemoryChange, PutChange, TombstoneChange } from "../domain/memory.ts";
export type { StoreId, StoreScope } from "../domain/store-id.ts";
export type { VersionVector } from "../domain/version-vector.ts";
export type {
  EntryData,
  Eviction,
  LiveEntry,
  MalformedEntry,
  PreparedBatch,
  Projection,
  ProjectionHealth,
  Replacement,
  ScanOptions,
  ScanPage,
  StoreBrand,
  StoredEntry,
  StoreOwner,
  StoreStanding,
  TombstoneEntry,
} from "./projection.ts";
export { signalError } from "./signal-error.ts";
export type { Holding, ProjectionTraits, VectorShape } from "./traits.ts";
export type { NamespaceVectors, VectorHit, VectorIndex } from "./vector-index.ts";
