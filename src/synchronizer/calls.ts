import type { Cluster, Redis } from "ioredis";
import type { Sql as PostgresSql } from "postgres";
import type { Options } from "../config/options.ts";
import type { MemoryInput } from "../domain/schema.ts";
import type { Embedder } from "../embed/embedder.ts";
import type { SearchFilter } from "../read/memory-filter.ts";
import type { Log } from "../runtime/log.ts";
import type { Projection } from "../stores/projection.ts";
import type { StoreModuleInput } from "../stores/settings.ts";
import type { VectorIndex } from "../stores/vector-index.ts";
import type { WriteStep } from "../write/write-step.ts";

/** What may be given beside the options: objects rather than settings. */
export interface ConnectExtras {
  /** Turns text into vectors; overrides `embedding.provider`. */
  embedder?: Embedder | undefined;
  /**
   * Stores of your own, beside those that the options name: projections, whose owner closes them after the synchronizer;
   * or modules that make them, `{ module, options }`, as in the settings: then the synchronizer closes them. Each passes
   * `mnemosync/testing`'s conformance suite.
   */
  stores?: readonly (Projection | StoreModuleInput)[] | undefined;
  /** Where events go. @default nowhere */
  log?: Log | undefined;
  /** Told how far the vector index is while it is filled from the ledger. */
  onIndexProgress?: ((progress: { read: number; applied: number }) => void) | undefined;
  /** Called at the moments of the write path that `WRITE_STEPS` names, for fault tests. */
  onStep?: ((step: WriteStep) => void | Promise<void>) | undefined;
}

/** For callers that own their clients: they are used, and left open by `close`. */
export interface OwnClients extends Omit<ConnectExtras, "stores"> {
  /** Stores of your own. Each owner closes its store, after the synchronizer. */
  stores?: readonly Projection[] | undefined;
  /** Absent: no Redis. */
  redis?: Redis | Cluster;
  sql: PostgresSql;
  vectorIndex?: VectorIndex;
  options?: Partial<Omit<Options, "postgresUrl" | "redisUrl" | "stores">>;
}

/** Ends a call early. */
export interface CallOptions {
  signal?: AbortSignal;
  /** Milliseconds; by default option `callTimeoutMs` (60 s). */
  timeoutMs?: number;
}

export interface WriteOptions extends CallOptions {
  /** The version that the memory must be at, 0 for none: otherwise nothing is written and the outcome is `conflict`. */
  expectedVersion?: number;
  /** ULID of this write: a repeat returns the first outcome and writes nothing. */
  idempotencyKey?: string;
  /** False: reject with QueueFullError rather than wait for a place in the queue. @default true */
  wait?: boolean;
}

export interface KeyOptions {
  /** @default "default" */
  namespace?: string;
}

export interface SearchOptions extends CallOptions, KeyOptions {
  /** Results wanted: 1 … 1_000. @default 10 */
  k?: number;
  /** Results below this score are left out. */
  scoreMin?: number;
  /**
   * Only memories for which this holds: types and metadata, or a function of the memory. The index is asked for more until
   * k memories pass or the nearest 100,000 are looked at.
   */
  filter?: SearchFilter;
}

/** A memory as `syncMemory` takes it: its id is an argument of its own. */
export type MemoryFields = Omit<MemoryInput, "memoryId">;
