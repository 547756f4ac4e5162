export { type Contract, LightRagClient } from "./lightrag/client.ts";
export type { DocumentState, RagDocument } from "./lightrag/documents.ts";
export type { Receipt } from "./lightrag/judge.ts";
export { type DocumentKey, documentName } from "./lightrag/names.ts";
export type { LightRagOptions } from "./lightrag/settings.ts";
export { LightRagSink, type LightRagSinkOptions } from "./lightrag/sink.ts";
export { documentText } from "./lightrag/text.ts";
export { collectMedia, type MetadataOf } from "./media/collect-media.ts";
export { type HeldMedia, type KeptMedia, MediaFolder, type MediaHolder } from "./media/media-folder.ts";
export { type MediaReference, mediaOfMetadata } from "./media/media-reference.ts";
export type {
  CallOptions,
  ClientHooks,
  ListItemsOptions,
  MediaOptions,
  MediaStream,
} from "./memory-space/client.ts";
export { MemorySpaceClient } from "./memory-space/client.ts";
export type { Dialect } from "./memory-space/dialect.ts";
export type { MediaKind, MemorySpaceItem } from "./memory-space/item.ts";
export type { ListingEnd } from "./memory-space/listing.ts";
export type { MappingOptions, MediaChoice } from "./memory-space/mapping.ts";
export type { MemorySpaceOptions } from "./memory-space/settings.ts";
export { MemorySpaceSource } from "./memory-space/source.ts";
export { EdgeTarget, type MemoryFile } from "./run/edge-target.ts";
export { HubTarget, type MemoryWriter } from "./run/hub-target.ts";
export type { MemoryFeed } from "./run/memory-feed.ts";
export type { RunRefused } from "./run/run-record.ts";
export type { Delivery, SentText, Settlement, Sink } from "./run/sink.ts";
export { runSink } from "./run/sink-run.ts";
export type { SinkRunOptions, SinkRunParts } from "./run/sink-run-options.ts";
export type { CompletedItem, ListingOutcome, Source, SourceItem } from "./run/source.ts";
export { runSource, type SourceRunOptions, type SourceRunParts } from "./run/source-run.ts";
export type { ItemOutcome, Target } from "./run/target.ts";
export { TRANSFORMS, type Transform, type TransformName, transformOf } from "./run/transform.ts";
export { type FailureClass, ServiceError } from "./service/service-error.ts";
export { type ConnectorFile, EdgeState } from "./state/edge-state.ts";
export { JsonSinkState } from "./state/json-sink-state.ts";
export { JsonState } from "./state/json-state.ts";
export type { SentRecord, SinkCheckpoint, SinkState } from "./state/sink-state.ts";
export type {
  Checkpoint,
  ConnectorState,
  DeadLetter,
  KnownItem,
  RunCounts,
  RunRecord,
  RunState,
} from "./state/state.ts";
export type { TimeWindow } from "./time-window.ts";
