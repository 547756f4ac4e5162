import type { FeedCursor } from "../../../domain/change-source.ts";
import type { Metric } from "./metric.ts";
import type { PackedChanges } from "./packed-changes.ts";
import type { PackedHits } from "./packed-hits.ts";
import type { WireChange } from "./wire-change.ts";

/** Vectors of one namespace: one row per change of that namespace that has a checksum, in the order of the changes. */
export interface WireBlock {
  readonly namespace: string;
  readonly rows: number;
  /** The rows, or the path of a flat file. The sender owns the file again once the call is answered. */
  readonly vectors: Float32Array | string;
}

/** The index's entry under a key. */
export type WireEntry =
  | { readonly state: "live"; readonly version: number; readonly checksum: string }
  | { readonly state: "tombstone"; readonly version: number };

export type WireKeyedEntry = WireEntry & { readonly namespace: string; readonly memoryId: string };

export interface WireReplacement {
  readonly namespace: string;
  readonly memoryId: string;
  readonly found: WireEntry | null;
  readonly change: WireChange | null;
}

export interface HostConfiguration {
  readonly dimension: number;
  readonly metric: Metric;
  /** Folders for short-lived files, best first. */
  readonly scratch: readonly string[];
  readonly heldBytesMax: number;
  readonly heldTtlMs: number;
  readonly main: MainConfiguration;
}

/** When and how a namespace is rewritten. */
export interface MainConfiguration {
  /** FAISS's factory string; `Flat` for none beside the flat segments. */
  readonly factory: string;
  /** Lists of an IVF index that a search visits. */
  readonly nprobe: number;
  /** Candidates that a search of an HNSW index keeps. */
  readonly efSearch: number;
  /** Live vectors of a namespace from which on it gets a main index. */
  readonly mainRowsMin: number;
  /** Share of a namespace's rows outside of its main index at which the main index is rebuilt. */
  readonly deltaShareMax: number;
  /** Share of a namespace's dead rows at which the namespace is compacted. */
  readonly deadShareMax: number;
  /** Folder on disk for files as large as a namespace. */
  readonly folder: string;
  readonly threads: number;
}

/** Requirements that a usable snapshot meets. */
export interface SnapshotExpectation {
  readonly epoch: string;
  readonly model: string | null;
  readonly dimension: number;
  readonly metric: Metric;
}

export type LoadOutcome =
  | { readonly outcome: "loaded"; readonly cursor: FeedCursor; readonly createdAt: number; readonly live: number }
  /** Set aside: unreadable, torn, or of another epoch. */
  | { readonly outcome: "set_aside"; readonly reason: string }
  /** Of another shape or model than configured. Left where it is. */
  | { readonly outcome: "mismatch"; readonly reason: string };

export interface NamespaceStatistics {
  readonly namespace: string;
  readonly live: number;
  /** Slots that await compaction. */
  readonly dead: number;
  readonly tombstones: number;
  /** Rows in the main index; 0 where there is none. */
  readonly main: number;
}

export interface HostStatistics {
  readonly namespaces: readonly NamespaceStatistics[];
  readonly heldBatches: number;
  readonly heldBytes: number;
  readonly compactions: number;
  /** Why the last compaction failed; null after a successful one. */
  readonly compactionFailure: string | null;
  /** Namespaces that are being rewritten or queued for it. */
  readonly compactionsPending: number;
  /** Slots of all namespaces, and the bytes of their tables. */
  readonly slots: number;
  readonly slotTableBytes: number;
  readonly rssBytes: number;
}

/** Operations of the host, with their arguments and results. */
export interface HostOperations {
  configure: { args: HostConfiguration; result: null };
  /** The epoch of the ledger from which the index is filled, before anything is published in it. A process has one. */
  enterEpoch: { args: { epoch: string }; result: null };
  prepare: { args: { token: string; changes: PackedChanges; blocks: WireBlock[] }; result: null };
  /**
   * `blocks` null: use the vectors held under the token. If they are needed and no longer held, the host changes nothing and
   * answers null; the client then repeats the call with the vectors. The answer has a byte per change: 1 applied, 0 stale.
   * `epoch` null: not compared with that of `enterEpoch`.
   */
  publish: {
    args: { token: string | null; changes: PackedChanges; blocks: WireBlock[] | null; epoch: string | null };
    result: Uint8Array | null;
  };
  discard: { args: { token: string }; result: null };
  /** `vectors`: one row per live entry, in order. */
  read: {
    args: { keys: { namespace: string; memoryId: string }[]; vectors: boolean };
    result: { entries: (WireEntry | null)[]; vectors: Uint8Array | null };
  };
  scan: {
    args: { cursor: string | null; limit: number; buckets: number[] | null };
    result: { entries: WireKeyedEntry[]; cursor: string | null };
  };
  digest: {
    args: null;
    result: {
      counts: Uint32Array;
      xorHigh: Uint32Array;
      xorLow: Uint32Array;
      sumHigh: Uint32Array;
      sumLow: Uint32Array;
    };
  };
  count: { args: null; result: number };
  /** `queries`: concatenated rows. */
  search: { args: { namespace: string; queries: Float32Array; k: number }; result: PackedHits };
  /** Positions of the changes that the index does not hold at that version or a newer one. */
  outdated: { args: { headers: { namespace: string; memoryId: string; version: number }[] }; result: number[] };
  replace: {
    args: { replacements: WireReplacement[]; blocks: WireBlock[] };
    result: ("applied" | "moved")[];
  };
  compact: { args: null; result: { slotsFreed: number } };
  /** Sequence numbers of the snapshots, newest first. Removes the files of interrupted snapshots. */
  listSnapshots: { args: { directory: string }; result: number[] };
  /** `proven`: the caller has just verified the checksums of the files. */
  loadSnapshot: {
    args: { directory: string; sequence: number; expected: SnapshotExpectation; proven: boolean };
    result: LoadOutcome;
  };
  setAsideSnapshot: { args: { directory: string; sequence: number }; result: null };
  writeSnapshot: {
    args: {
      directory: string;
      head: SnapshotExpectation;
      cursor: FeedCursor;
      mark: string | null;
      createdAt: number;
      keep: number;
    };
    result: { sequence: number; bytes: number };
  };
  statistics: { args: null; result: HostStatistics };
  ping: { args: null; result: null };
}

export type Operation = keyof HostOperations;
export type Arguments<O extends Operation> = HostOperations[O]["args"];
export type Result<O extends Operation> = HostOperations[O]["result"];

/** Why the host refused a call; it executed no part of the call. */
export type HostErrorCode =
  /** An argument on which FAISS would throw or abort. */
  | "INVALID_ARGUMENT"
  /** No room on disk or in memory, or no permission: an operator must fix it. */
  | "NO_ROOM"
  /** faiss-node cannot be loaded. */
  | "BINDING_MISSING"
  /** FAISS does not support the requested index type. */
  | "BAD_CONFIGURATION"
  /** The changes are of another epoch than the index; the message is the index's. */
  | "OTHER_EPOCH"
  /** A defect in mnemosync. */
  | "INTERNAL";

export interface HostRequest<O extends Operation = Operation> {
  readonly id: number;
  readonly operation: O;
  readonly args: Arguments<O>;
}

/** A message from the host: an answer, or an event for its owner's log. */
export type HostMessage =
  | { readonly id: number; readonly result: Result<Operation> }
  | { readonly id: number; readonly error: { readonly code: HostErrorCode; readonly message: string } }
  | { readonly event: string; readonly level: "info" | "warn"; readonly fields: Record<string, string | number> };
