import type { ConsistencyReport } from "../consistency/check/report.ts";
import type { Filter } from "../domain/filter/filter.ts";
import type { JsonObject } from "../domain/json.ts";
import type { MemoryKey } from "../domain/keys.ts";
import type { MemoryInput } from "../domain/memory-input.ts";
import type { EraseNotes } from "../erase/options.ts";
import type { OnBytes } from "../read/bounded-reads.ts";
import type { CountQuery, ListQuery, NamespacesQuery } from "../read/list-options.ts";
import type { SearchFilter } from "../read/memory-filter.ts";
import type { OnSources } from "../read/read-sources.ts";
import type { SearchMode } from "../read/search/search-result.ts";
import type { EmbeddingChoice } from "../write/patch.ts";

/** Ends a call early. */
export interface AbortOptions {
  /** Ends the call: it rejects with `ABORTED`. */
  signal?: AbortSignal | undefined;
}

export interface CallOptions extends AbortOptions {
  /** Milliseconds until the call rejects. @default option `callTimeoutMs`, 60_000 */
  timeoutMs?: number | undefined;
}

/** Makes a write conditional. */
export interface ExpectedVersion {
  /**
   * The version that the memory must be at; 0: there must be no such memory. Otherwise nothing is written, and the call
   * rejects with a `VersionConflictError`. @default any version
   */
  expectedVersion?: number | undefined;
}

export interface RollbackOptions extends ReadOptions, ExpectedVersion {}

export interface WriteOptions extends CallOptions, ExpectedVersion {
  /**
   * Any text of 1 to 128 characters that names this write: a repeat of it returns the first outcome and writes nothing, for
   * `idempotencyKeyRetentionMs` at least. It belongs to the namespace and to `caller`; another write under it throws
   * IdempotencyKeyReusedError.
   */
  idempotencyKey?: string | undefined;
  /** Name of the caller to whom the idempotency key belongs: 1 to 128 characters. @default one that all callers share */
  caller?: string | undefined;
  /** False: reject with QueueFullError rather than wait for a place in the queue. @default true */
  wait?: boolean | undefined;
}

export interface KeyOptions {
  /** The tenant. @default "default" */
  namespace?: string | undefined;
}

export interface ReadOptions extends CallOptions, KeyOptions {
  /**
   * Told of the bytes of documents and vectors that the call holds, before it reads more. An error that it throws ends the call:
   * for a caller that bounds its memory. Not told by `count`, `diff` and `rollback`, which hold two versions at most.
   */
  onBytes?: OnBytes | undefined;
}

export interface SourcesOptions {
  /**
   * Told which sides the answer stands on, the primary and its replica, before the call resolves. Never called without a
   * replica (setting `replica.enabled`); pages and counts have it as `sources` too.
   */
  onSources?: OnSources | undefined;
}

export interface GetOptions extends ReadOptions, SourcesOptions {
  /**
   * Whether memories have `createdAt`. The ledger alone knows it: the call takes a round trip to it more, and fails where it is
   * away. Lists have it always. @default false
   */
  createdAt?: boolean | undefined;
  /**
   * Whether to pass the cache by: never older than the last commit before the call, by whatever process. It fails where the ledger
   * is away. @default false: the cache may be behind the commits of other processes, for longer after an outage
   */
  fromLedger?: boolean | undefined;
}

export interface ListOptions extends ReadOptions, ListQuery, SourcesOptions {}

/** Pages are read one after the other, `limit` memories each; `timeoutMs` is a page's. */
export type ListAllOptions = Omit<ListOptions, "cursor">;

export interface CountOptions extends ReadOptions, CountQuery, SourcesOptions {}

export interface NamespacesOptions extends CallOptions, NamespacesQuery {}

export interface PatchOptions extends WriteOptions, KeyOptions {
  /**
   * What becomes of the vector when the content changes and no new vector comes with it. `keep`: searches go by the old one.
   * `drop`: the memory has none, in any case, and the outcome says `embeddingDropped`.
   * @default a new one is made where an embedder is set up; otherwise the call is refused
   */
  embedding?: EmbeddingChoice | undefined;
}

export interface DeleteOptions extends WriteOptions, KeyOptions {}

export interface HistoryOptions extends ReadOptions, SourcesOptions {
  /** Versions, at most. @default 1_000 */
  limit?: number | undefined;
}

export interface SearchOptions<Metadata extends object = JsonObject> extends Omit<GetOptions, "fromLedger"> {
  /** Results wanted: 1 … 1_000. @default 10 */
  k?: number | undefined;
  /**
   * `vector`: memories whose vectors are nearest. `text`: memories whose contents have the words of the query, rare words
   * first; needs an index of words (setting `indexes.text`), neither an embedder nor a vector index. `hybrid`: both rankings,
   * fused by reciprocal rank. @default "vector"
   */
  mode?: SearchMode | undefined;
  /** The words to look for where the mode is `hybrid` and the query is a vector. */
  text?: string | undefined;
  /**
   * How much a place in each ranking counts where the mode is `hybrid`: 0 … 1_000 each, not both 0. A ranking of weight 0 is not
   * read. @default 1 for the text; for the vector what its embedder says (`hybridWeight`): 0.01 with the offline one, else 1
   */
  weights?: { vector?: number | undefined; text?: number | undefined } | undefined;
  /** Results below this score are left out. Refused in mode `hybrid`, whose scores are fused ranks. */
  scoreMin?: number | undefined;
  /**
   * Only memories for which this holds: types and metadata, or a function of the memory. The index is asked for more until
   * k memories pass or the nearest 100,000 are looked at.
   */
  filter?: SearchFilter<Metadata> | undefined;
  /** As `filter`, in the language of `list` and `count`. Where both are given, both must hold. */
  where?: Filter | undefined;
}

/** What a search looks for: a vector, or a text: its words, or its vector where an embedder is set up. */
export type SearchQuery = string | readonly number[] | Float32Array;

export interface EraseOptions extends AbortOptions, KeyOptions, EraseNotes {
  /**
   * False: answer once the request is kept; a node works on it, and `erasures.get` has its receipt. Otherwise the call waits
   * until the ledger and the stores of this node hold nothing any more. @default true
   */
  wait?: boolean | undefined;
  /**
   * Whose limit of 100 open erasures it counts to, beside that of its namespace. A service that erases for several tenants
   * gives the tenant, so that one of them cannot take the jobs of all. @default only the namespace's limit
   */
  owner?: string | undefined;
}

export interface ErasuresOptions extends CallOptions {
  /** Receipts: 1 … 1_000. @default 100 */
  limit?: number | undefined;
  /** Only erasures that were requested before this one, by id. */
  before?: string | undefined;
  /** @default all namespaces */
  namespaces?: readonly string[] | undefined;
}

export interface SuppressedOptions extends CallOptions {
  /** Ids of a page: 1 … 1_000. @default 1_000 */
  limit?: number | undefined;
  /** The `cursor` of the page before. @default the start */
  cursor?: string | undefined;
  /** @default all namespaces */
  namespace?: string | undefined;
}

/** The memories of a batch. An asynchronous source is read no further ahead than it can be written. */
export type MemoryInputs<Metadata extends object = JsonObject> =
  | Iterable<MemoryInput<Metadata>>
  | AsyncIterable<MemoryInput<Metadata>>;

/** A memory that a transaction wrote. */
export interface WrittenVersion extends MemoryKey {
  /** The version that the transaction gave it. */
  readonly version: number;
}

/** The part of a check's report that a repair reads. */
export type CheckFindings = Pick<ConsistencyReport, "findings">;
