import type { Filter } from "../../domain/filter/filter.ts";
import type { SinkState } from "../state/sink-state.ts";
import type { RunCounts, RunRecord } from "../state/state.ts";
import type { MemoryFeed } from "./memory-feed.ts";
import type { Sink } from "./sink.ts";
import type { Transform } from "./transform.ts";

export interface SinkRunParts {
  readonly feed: MemoryFeed;
  readonly sink: Sink<unknown>;
  readonly state: SinkState;
  readonly transform: Transform;
  /** Told after each round. */
  readonly onProgress?: (counts: RunCounts) => void;
  /** A run to go on with, whose process was lost. @default a new one */
  readonly begun?: RunRecord | undefined;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
  /** @default a timer */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export interface SinkRunOptions {
  /** @default all */
  readonly namespaces?: readonly string[] | undefined;
  /** Memories that are sent; one that no longer passes is removed there. @default all */
  readonly where?: Filter | undefined;
  /** Texts that are on their way at once. 1 … 1_000. @default 100 */
  readonly inFlightMax?: number;
  /** Reads the feed from its start and makes each text anew: it is sent where it says something else. @default false */
  readonly fromStart?: boolean | undefined;
  /** Failures in a row that pass, after which the run ends as failed. From 1. @default 10 */
  readonly failuresMax?: number;
}
