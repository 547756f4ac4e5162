import type { Ending } from "../domain/ending.ts";
import type { Filter } from "../domain/filter/filter.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { VersionVector } from "../domain/version-vector.ts";
import type { FeedReading } from "./feed-filter.ts";
import type { FeedDocument } from "./feed-page.ts";

interface ChangeBase extends MemoryKey {
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  readonly versionVector: VersionVector;
  readonly transactionId: string;
  /** Behind this change: a reader that goes on from here is not told of it again. */
  readonly cursor: string;
}

/** A memory is new or has changed. */
export interface PutEvent extends ChangeBase {
  readonly kind: "put";
  readonly memory: ChangedMemory;
}

/**
 * `deleted`: the memory has ended, as `reason` says. `withdrawn`: it became `local_only`, or does not pass the reader's
 * filter any more: the reader must forget it. It may be told more than once, and of a memory that the reader was never told
 * of where the history that is kept does not prove that.
 */
export interface EndEvent extends ChangeBase {
  readonly kind: "deleted" | "withdrawn";
  /**
   * `deleted`: a caller deleted it. `expired`: its time was over. `erased`: it was erased, and what a reader has kept of it must
   * go too. `withdrawn`: of that kind; or, of a deletion, its origin no longer shares it.
   */
  readonly reason: Ending;
}

export type ChangeEvent = PutEvent | EndEvent;

/** The fields of a memory. Those that privacy withholds are absent: `content` and `metadata` of a `redacted` one. */
export interface ChangedMemory extends FeedDocument {
  /** Null where privacy withholds it. */
  readonly checksum: string | null;
  /** Null unless asked for; also where the memory has none, or privacy withholds it. */
  readonly embedding: Float32Array | null;
}

/** What `changes` and `readChanges` have in common. */
export interface ChangeQuery {
  /** Where to go on: the cursor of an event, or of a page. @default as `from` says */
  cursor?: string | undefined;
  /** Without a cursor: `start` of everything that there is, or `now`. @default "start" */
  from?: "start" | "now" | undefined;
  /** 1 … 100 of them. A cursor is bound to them. @default all namespaces */
  namespaces?: readonly string[] | undefined;
  /**
   * Memories that pass this filter, in the language of `list`. One that passed and no longer does is told as `withdrawn`. A
   * `redacted` memory is judged without its metadata, unless `includeLocal` is set. At most 16,384 characters of JSON. A
   * cursor is bound to it. @default all memories
   */
  where?: Filter | undefined;
  /**
   * `changes`: each memory at its latest version, so versions that were replaced before the reader came by are not told.
   * `versions`: each version, in order per memory; those beyond `historyVersionsMax` of a reader that is behind are gone. A cursor
   * is bound to it.
   * @default "changes"
   */
  reading?: FeedReading | undefined;
  /**
   * With `local_only` memories, and `redacted` ones whole: for readers within this deployment. A cursor is bound to it.
   * @default false
   */
  includeLocal?: boolean | undefined;
  /** With embeddings. @default false */
  embeddings?: boolean | undefined;
}

export interface ChangesOptions extends ChangeQuery {
  /** False: end where the feed ends, instead of waiting for more. @default true */
  follow?: boolean | undefined;
  /** Changes read at a time: 1 … 1_000. Fewer where they are large. @default 100 */
  pageSize?: number | undefined;
  /** Milliseconds that one look waits for news before the next: 1 … 30_000. @default 30_000 */
  waitMs?: number | undefined;
  /**
   * Told where to go on, once the reader has asked for more than what stands before it. Also moves where a filter lets
   * nothing through.
   */
  onPosition?: ((cursor: string) => void) | undefined;
  /** Ends the iteration, without an error. */
  signal?: AbortSignal | undefined;
}

export interface ReadChangesOptions extends ChangeQuery {
  /** Changes at most: 1 … 1_000. Fewer where they are large. @default 100 */
  limit?: number | undefined;
  /** Milliseconds to wait for a first change: 0 … 30_000. @default 0 */
  waitMs?: number | undefined;
}

/** Changes, oldest first, and where to go on. */
export interface ChangePage {
  readonly events: readonly ChangeEvent[];
  readonly cursor: string;
  /** Whether the feed showed nothing behind this page when it was read. */
  readonly complete: boolean;
}
