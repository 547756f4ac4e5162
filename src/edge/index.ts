export type { Filter } from "../domain/filter/filter.ts";
export type { MemoryDocument, Privacy } from "../domain/memory.ts";
export { HubError, type HubErrorCode } from "../hub/protocol/codes.ts";
export type { Hub } from "../hub/protocol/hub.ts";
export type { Metrics } from "../runtime/metric-base.ts";
export type { DoctorCheck, DoctorReport } from "./doctor.ts";
export type { HubGiven, OpenExtras, OpenOptions } from "./edge-options.ts";
export {
  type EdgeListOptions,
  type EdgeSearchOptions,
  type EdgeStatus,
  EdgeStore,
  type InNamespace,
} from "./edge-store.ts";
export { EdgeFileError, type EdgeFileProblem, SyncConflictError, SyncPayloadError } from "./errors.ts";
export type { EdgeEvents } from "./events.ts";
export type { ChoiceOfConflict, ConflictSideView, ConflictView } from "./file/conflict-views.ts";
export type { EdgeMemory, EdgePage, FoundMemory, MemorySyncStatus } from "./file/reads.ts";
export type { Rescue } from "./file/rescue.ts";
export type { QueueItem } from "./file/status-reads.ts";
export type { HubContact } from "./file/sync-state.ts";
export type { SyncedChange } from "./file/synced-change.ts";
export type { EdgePatch } from "./patch.ts";
export { CONFLICT_POLICIES, type ConflictPolicy, type EdgeOptions } from "./settings.ts";
export type { PullResult, PushResult, SyncedChanges, SyncReport } from "./sync/results.ts";
export { HttpHub, type HttpHubOptions } from "./transport/http-hub.ts";
