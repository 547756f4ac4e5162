import type { SyncStatus } from "../../src/index.ts";

/** What a node is started with, as JSON in its environment. */
export interface NodeSettings {
  readonly seed: number;
  readonly nodeId: string;
  readonly postgresUrl: string;
  readonly redisUrl: string;
  readonly directory: string;
  readonly historyFile: string;
  readonly writers: number;
  readonly keys: number;
  readonly dimension: number;
  /** Whether stores go back during the run: then repairs are on, and the ledger wins. */
  readonly history: boolean;
}

/** One call of a node's, written down before the next one begins. A killed node leaves its last calls without a line. */
export interface CallRecord {
  readonly kind: "write" | "read";
  readonly memoryId: string;
  /** Writes: unique to the call, and part of the content; null for a delete. */
  readonly marker: string | null;
  /** Reads: `none` when there was no memory. */
  readonly status: SyncStatus | "found" | "none" | "error";
  readonly version: number;
  readonly checksum: string | null;
  readonly code: string | null;
  /** Reads: the store that the memory was read from; null: there was none. */
  readonly source?: string | null;
  /** When the call began and ended, in milliseconds since 1970. */
  readonly beganAt: number;
  readonly endedAt: number;
}

/** A version as a read was shown it. */
export interface SeenVersion {
  readonly version: number;
  readonly checksum: string;
  /** When the read began and ended, in milliseconds since 1970. */
  readonly beganAt: number;
  readonly endedAt: number;
}

/** A read that saw a version go back. */
export interface WentBack extends SeenVersion {
  readonly memoryId: string;
  readonly source: string;
  /** What the same reader had been shown. */
  readonly before: SeenVersion;
}

export type NodeCommand =
  | { readonly command: "settle" }
  /** A store went back: versions that were seen before prove nothing any more. */
  | { readonly command: "forget" }
  /** The process's clock is this far ahead of the true time from now on. */
  | { readonly command: "clock"; readonly aheadMs: number }
  | { readonly command: "check" }
  | { readonly command: "close" };

export type NodeAnswer =
  | { readonly answer: "ready"; readonly hostPid: number | null }
  | { readonly answer: "settled"; readonly unsettled: number; readonly wentBack: readonly WentBack[] }
  | { readonly answer: "checked"; readonly backlog: number; readonly findings: readonly string[] }
  | { readonly answer: "closed" }
  | { readonly answer: "failed"; readonly error: string };
