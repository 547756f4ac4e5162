import type { FeedCursor } from "../../../domain/change-source.ts";
import type { Metric } from "./metric.ts";
import type { PackedChanges } from "./packed-changes.ts";
import type { PackedHits } from "./packed-hits.ts";
import type { WireChange } from "./wire-change.ts";

/** Vectors of one namespace: a row for each change of that namespace with a checksum, in the order of the changes. */
export interface WireBlock {
  readonly namespace: string;
  readonly rows: number;
  /** The rows themselves, or the path of a flat file, which is its sender's again once the call is answered. */
  readonly vectors: Float32Array | string;
}

/** What the index holds under a key. */
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
  /** Lists of an IVF index that a search looks into. */
  readonly nprobe: number;
  /** Candidates that a search of an HNSW index keeps. */
  readonly efSearch: number;
  /** Live vectors of a namespace from which on it gets a main index. */
  readonly mainRowsMin: number;
  /** Share of a namespace's rows that may be outside of its main index, … */
  readonly deltaShareMax: number;
  /** … or dead. */
  readonly deadShareMax: number;
  /** Folder on disk for files as large as a namespace. */
  readonly folder: string;
  readonly threads: number;
}

/** What a snapshot must agree with to be of use. */
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
  /** Why the last compaction could not be done; null after one that was. */
  readonly compactionFailure: string | null;
  /** Namespaces that are being rewritten, or wait for it. */
  readonly compactionsPending: number;
  /** Slots of all namespaces, and what their tables take. */
  readonly slots: number;
  readonly slotTableBytes: number;
  readonly rssBytes: number;
}

/** Operations of the host: what goes in and what comes out. */
export interface HostOperations {
  configure: { args: HostConfiguration; result: null };
  prepare: { args: { token: string; changes: PackedChanges; blocks: WireBlock[] }; result: null };
  /**
   * `blocks` null: the vectors are those held under the token. Where they are not (any more) and are needed, nothing
   * happens and the answer is null: send the call again with them. The answer has a byte per change: 1 applied, 0 stale.
   */
  publish: {
    args: { token: string | null; changes: PackedChanges; blocks: WireBlock[] | null };
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
  /** `queries`: rows one after the other. */
  search: { args: { namespace: string; queries: Float32Array; k: number }; result: PackedHits };
  /** Which of them the index does not hold at that version or a newer one: their positions. */
  outdated: { args: { headers: { namespace: string; memoryId: string; version: number }[] }; result: number[] };
  replace: {
    args: { replacements: WireReplacement[]; blocks: WireBlock[] };
    result: ("applied" | "moved")[];
  };
  compact: { args: null; result: { slotsFreed: number } };
  /** Sequence numbers of the snapshots there are, newest first. Removes what an interrupted one left behind. */
  listSnapshots: { args: { directory: string }; result: number[] };
  /** `proven`: the files' checksums were compared a moment ago. */
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

/** Why the host did not do what it was asked; nothing of the call has happened. */
export type HostErrorCode =
  /** An argument that FAISS would have choked on. */
  | "INVALID_ARGUMENT"
  /** No room on disk or in memory, or no permission: an operator's matter. */
  | "NO_ROOM"
  /** faiss-node cannot be loaded. */
  | "BINDING_MISSING"
  /** FAISS does not take the index that was asked for. */
  | "BAD_CONFIGURATION"
  /** A defect of ours. */
  | "INTERNAL";

export interface HostRequest<O extends Operation = Operation> {
  readonly id: number;
  readonly operation: O;
  readonly args: Arguments<O>;
}

/** From the host: an answer, or something that its owner's log should say. */
export type HostMessage =
  | { readonly id: number; readonly result: Result<Operation> }
  | { readonly id: number; readonly error: { readonly code: HostErrorCode; readonly message: string } }
  | { readonly event: string; readonly level: "info" | "warn"; readonly fields: Record<string, string | number> };
