import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { ConfigurationError } from "../../domain/errors.ts";
import type { Metric } from "./protocol/metric.ts";

/** How far a rebuild or a replay has come. */
export interface CatchUpProgress {
  /** Feed entries read since it began. */
  readonly read: number;
  /** Of these, how many the index lacked and got. */
  readonly applied: number;
}

export interface FaissOptions {
  /**
   * Folder of the snapshots and of the lock; made if it is not there. One process at a time. It holds nothing that
   * cannot be rebuilt from the ledger.
   */
  directory: string;
  /** Numbers per vector: 1 … 16_384. A directory keeps the dimension it was first used with. */
  dimension: number;
  /** How near two vectors are. `ip` is the dot product, `l2` the Euclidean distance. @default "cosine" */
  metric?: Metric;
  /** The one model whose vectors the index holds; without it, models are not told apart. */
  model?: string;
  /**
   * The main index of a namespace, as FAISS's factory takes it: `Flat` (exact), `HNSW32`, `IVF1024,Flat`, `HNSW32_SQ8`,
   * `IVF1024,SQ8`, … Anything but `Flat` trades exactness for speed or memory. It is built in the background, in a process
   * of its own; until then, and for what is written after, search is exact. Its exact vectors are kept in `directory`.
   * @default "Flat"
   */
  factory?: string;
  /** Lists of an IVF index that a search looks into, 1 … 1_000_000: more of them find more and take longer. @default 32 */
  nprobe?: number;
  /** Candidates that a search of an HNSW index keeps, 1 … 100_000: likewise. @default 128 */
  efSearch?: number;
  /**
   * Live vectors of a namespace from which on it gets a main index, 1 …; an IVF index needs at least 39 per list
   * besides. @default 20_000
   */
  mainRowsMin?: number;
  /** Share of a namespace's vectors outside of its main index at which that is built anew, 0 … 1. @default 0.25 */
  deltaShareMax?: number;
  /** Share of a namespace's vectors that are dead at which it is rewritten without them, 0 … 1. @default 0.3 */
  deadShareMax?: number;
  /** Snapshots kept, 1 … 100: an older one takes over when the newest turns out to be damaged. @default 2 */
  snapshotsKept?: number;
  /**
   * Milliseconds after a change until a snapshot with it is written, 100 … 86_400_000: bounds what a restart has to
   * replay. @default 300_000
   */
  snapshotIntervalMs?: number;
  /** Changes after which a snapshot is written at once, 1 …. A snapshot writes the whole index. @default 200_000 */
  snapshotChangesMax?: number;
  /** Milliseconds between two signs of life asked of the host process, 10 … 60_000. @default 5_000 */
  hostPingIntervalMs?: number;
  /**
   * Milliseconds without a sign of life after which the host process is killed and started again. At least twice
   * `hostPingIntervalMs`, and longer than reading the largest main index from disk takes. @default 60_000
   */
  hostStallMs?: number;
  /** Most milliseconds between two starts of a host that keeps crashing, 10 … 600_000. @default 30_000 */
  hostBackoffMaxMs?: number;
  /** Threads that FAISS may use, 1 … 256. @default one less than the machine has, and at least 1 */
  hostThreads?: number;
  /** Calls that may wait for the host at a time, 1 … 65_536; further ones are refused. @default 1_024 */
  pendingCallsMax?: number;
  /** Bytes of vectors held for prepared batches; beyond it they are sent again at publish. @default 268_435_456 */
  heldBytesMax?: number;
  /** Milliseconds that a prepared batch is held, at least 1_000. Longer than a transaction may take. @default 120_000 */
  heldTtlMs?: number;
  /** Milliseconds that `close` waits for the host to end before it is killed, 10 … 600_000. @default 5_000 */
  closeTimeoutMs?: number;
  /** Told at intervals while the index is filled from the ledger. */
  onProgress?: (progress: CatchUpProgress) => void;
}

export type ResolvedFaissOptions = Required<Omit<FaissOptions, "model" | "onProgress">> & {
  readonly model: string | null;
  readonly onProgress: (progress: CatchUpProgress) => void;
};

/** The options with their defaults. @throws {ConfigurationError} naming the option, its value and its bounds. */
export function resolveOptions(options: FaissOptions): ResolvedFaissOptions {
  const { directory, dimension, metric = "cosine", model = null } = options;
  if (typeof directory !== "string" || directory === "") {
    throw new ConfigurationError("faiss.directory must name a folder for the index's snapshots");
  }
  if (metric !== "cosine" && metric !== "ip" && metric !== "l2") {
    throw new ConfigurationError(`faiss.metric is ${String(metric)}, and must be "cosine", "ip" or "l2"`);
  }
  const hostPingIntervalMs = within("hostPingIntervalMs", options.hostPingIntervalMs ?? 5_000, 10, 60_000);
  const threads = Math.max(1, availableParallelism() - 1);
  return {
    directory: resolve(directory),
    dimension: within("dimension", dimension, 1, 16_384),
    metric,
    model,
    factory: factoryOf(options.factory ?? "Flat"),
    nprobe: within("nprobe", options.nprobe ?? 32, 1, 1_000_000),
    efSearch: within("efSearch", options.efSearch ?? 128, 1, 100_000),
    mainRowsMin: within("mainRowsMin", options.mainRowsMin ?? 20_000, 1, Number.MAX_SAFE_INTEGER),
    deltaShareMax: share("deltaShareMax", options.deltaShareMax ?? 0.25),
    deadShareMax: share("deadShareMax", options.deadShareMax ?? 0.3),
    snapshotsKept: within("snapshotsKept", options.snapshotsKept ?? 2, 1, 100),
    snapshotIntervalMs: within("snapshotIntervalMs", options.snapshotIntervalMs ?? 300_000, 100, 86_400_000),
    snapshotChangesMax: within("snapshotChangesMax", options.snapshotChangesMax ?? 200_000, 1, Number.MAX_SAFE_INTEGER),
    hostPingIntervalMs,
    hostStallMs: within("hostStallMs", options.hostStallMs ?? 60_000, 2 * hostPingIntervalMs, 3_600_000),
    hostBackoffMaxMs: within("hostBackoffMaxMs", options.hostBackoffMaxMs ?? 30_000, 10, 600_000),
    hostThreads: within("hostThreads", options.hostThreads ?? threads, 1, 256),
    pendingCallsMax: within("pendingCallsMax", options.pendingCallsMax ?? 1_024, 1, 65_536),
    heldBytesMax: within("heldBytesMax", options.heldBytesMax ?? 256 * 1024 * 1024, 0, Number.MAX_SAFE_INTEGER),
    heldTtlMs: within("heldTtlMs", options.heldTtlMs ?? 120_000, 1_000, 86_400_000),
    closeTimeoutMs: within("closeTimeoutMs", options.closeTimeoutMs ?? 5_000, 10, 600_000),
    onProgress: options.onProgress ?? (() => undefined),
  };
}

function within(name: string, value: number, minimum: number, maximum: number): number {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new ConfigurationError(
      `faiss.${name} is ${String(value)}, and must be a whole number from ${minimum} to ${maximum}`,
    );
  }
  return value;
}

function share(name: string, value: number): number {
  if (!(value >= 0 && value <= 1)) throw new ConfigurationError(`faiss.${name} is ${value}, and must be from 0 to 1`);
  return value;
}

function factoryOf(value: string): string {
  if (typeof value === "string" && /^[A-Za-z0-9_,()[\]-]{1,64}$/.test(value)) return value;
  throw new ConfigurationError(
    `faiss.factory is ${String(value)}, and must be a factory string of FAISS, like "HNSW32"`,
  );
}
