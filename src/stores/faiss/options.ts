import type { Metric } from "./protocol/metric.ts";

/** Progress of a rebuild or of a replay of the feed. */
export interface CatchUpProgress {
  /** Feed entries read since it began. */
  readonly read: number;
  /** Feed entries that the index lacked and applied. */
  readonly applied: number;
}

/** Options of a FAISS index. Bounds and defaults are those of the settings under `faiss` (`settings.ts`). */
export interface FaissOptions {
  /**
   * Folder of the snapshots and of the lock; created when absent. Only one process can open it. Everything in it can be
   * rebuilt from the ledger.
   */
  directory: string;
  /** Numbers per vector: 1 … 16_384. A directory keeps the dimension it was first used with. @default 384 */
  dimension?: number | undefined;
  /** The similarity of two vectors. `ip` is the dot product, `l2` the Euclidean distance. @default "cosine" */
  metric?: Metric | undefined;
  /** The one model whose vectors the index holds, 1 … 256 characters; absent: the index doesn't tell models apart. */
  model?: string | undefined;
  /**
   * The main index of a namespace, as FAISS's factory takes it: `Flat` (exact), `HNSW32`, `IVF1024,Flat`, `HNSW32_SQ8`,
   * `IVF1024,SQ8`, … Anything but `Flat` trades exactness for speed or memory. A background process builds it; until then,
   * and for later writes, search is exact. The exact vectors stay in `directory`.
   * @default "Flat"
   */
  factory?: string | undefined;
  /** Lists of an IVF index that a search visits, 1 … 1_000_000: more lists find more and take longer. @default 32 */
  nprobe?: number | undefined;
  /** Candidates that a search of an HNSW index keeps, 1 … 100_000: more find more and take longer. @default 128 */
  efSearch?: number | undefined;
  /**
   * Live vectors at which a namespace gets a main index, at least 1. An IVF index also needs 39 vectors per list.
   * @default 20_000
   */
  mainRowsMin?: number | undefined;
  /** Share of a namespace's vectors outside of its main index at which the main index is rebuilt, 0 … 1. @default 0.25 */
  deltaShareMax?: number | undefined;
  /** Share of dead vectors at which a namespace is compacted (rewritten without them), 0 … 1. @default 0.3 */
  deadShareMax?: number | undefined;
  /** Snapshots kept, 1 … 100: the host loads an older one when the newest is damaged. @default 2 */
  snapshotsKept?: number | undefined;
  /**
   * Milliseconds from a change until a snapshot contains it, 100 … 86_400_000: bounds the part of the feed that a restart
   * replays. @default 300_000
   */
  snapshotIntervalMs?: number | undefined;
  /** Changes after which a snapshot is written at once, at least 1. A snapshot writes the whole index. @default 200_000 */
  snapshotChangesMax?: number | undefined;
  /** Milliseconds between two pings of the host process, 10 … 60_000. @default 5_000 */
  hostPingIntervalMs?: number | undefined;
  /**
   * Milliseconds without an answer to a ping after which the host process is killed and started again, at most 3_600_000.
   * At least twice `hostPingIntervalMs`, and longer than reading the largest main index from disk takes. @default 60_000
   */
  hostStallMs?: number | undefined;
  /** Longest pause in milliseconds between two starts of a host that keeps crashing, 10 … 600_000. @default 30_000 */
  hostBackoffMaxMs?: number | undefined;
  /** Threads that FAISS may use, 1 … 256. @default one less than the number of CPU cores, and at least 1 */
  hostThreads?: number | undefined;
  /** Calls that may wait for the host at a time, 1 … 65_536; further calls are refused. @default 1_024 */
  pendingCallsMax?: number | undefined;
  /** Bytes of vectors held for prepared batches; vectors beyond it are sent again at publish. @default 268_435_456 */
  heldBytesMax?: number | undefined;
  /**
   * Milliseconds that a prepared batch is held, 1_000 … 86_400_000. Longer than a transaction may take.
   * @default 120_000
   */
  heldTtlMs?: number | undefined;
  /** Milliseconds that `close` waits for the host to end before it kills it, 10 … 600_000. @default 5_000 */
  closeTimeoutMs?: number | undefined;
  /** Called at intervals while the index replays the ledger. */
  onProgress?: ((progress: CatchUpProgress) => void) | undefined;
}
