import { bindingFiles, loadFirst } from "./binding.ts";
import { HostError } from "./host-error.ts";

/**
 * The part of faiss-node that the host uses. It avoids `fromBuffer` and `toBuffer`, which leak their buffer, and
 * `removeIds`, which shifts the labels after it. Exceptions inside FAISS that the binding does not guard (such as `write`
 * to a full disk) abort the process, so callers must rule them out beforehand.
 */
export interface FaissIndex {
  ntotal(): number;
  add(floats: number[]): void;
  /** k must not exceed `ntotal()`. Missing results have the label -1. Leaks its copy of the queries: see `searchMany`. */
  search(floats: number[], k: number): { distances: number[]; labels: number[] };
  /**
   * As `search`, for queries in typed arrays, by a faster way for few of them, and without its leak. Absent in faiss-node's own binary:
   * only a binding that `mnemosync setup` compiled has it (`scripts/setup/faiss-binding.cc`).
   * @param distances room for k results of each query, as are `labels`. @param lists that an IVF index visits; 0: as its file says.
   * @throws what FAISS throws.
   */
  searchMany?(queries: Float32Array, k: number, distances: Float32Array, labels: Int32Array, lists: number): void;
  /** As `add`, from a typed array, which is copied as it is. Absent as `searchMany` is. */
  addMany?(vectors: Float32Array): void;
  write(path: string): void;
  /** Moves all rows of `other` here; `other` is empty afterwards. */
  mergeFrom(other: FaissIndex): void;
}

export interface FaissIndexClass {
  readonly prototype: FaissIndex;
  new (dimension: number): FaissIndex;
  read(path: string): FaissIndex;
}

/** An index of any kind, by FAISS's factory string. */
export interface AnyFaissIndex extends FaissIndex {
  /** Too few training vectors for the index type abort the process. */
  train(floats: number[]): void;
  isTrained(): boolean;
}

export interface AnyFaissIndexClass {
  /** @throws when FAISS does not understand `description`. @param metric 0 dot product, 1 Euclidean. */
  fromFactory(dimension: number, description: string, metric: number): AnyFaissIndex;
  read(path: string): AnyFaissIndex;
}

export interface Faiss {
  readonly Index: AnyFaissIndexClass;
  readonly IndexFlatIP: FaissIndexClass;
  readonly IndexFlatL2: FaissIndexClass;
}

/** @throws {HostError} BINDING_MISSING */
export function loadFaiss(): Faiss {
  try {
    return loadFirst(bindingFiles()) as Faiss;
  } catch (error) {
    const reason = (error as Error).message;
    throw new HostError("BINDING_MISSING", `the FAISS binding cannot be loaded (${reason})`, { cause: error });
  }
}

/**
 * The garbage collector frees the native memory of a dropped index with its wrapper, but V8 does not see its size: without
 * help, 100,000 merged blocks retained 2 GB. A minor collection after every 32 MiB costs a millisecond and keeps memory
 * flat.
 */
const GARBAGE_BYTES_MAX = 32 * 1024 * 1024;

let garbageBytes = 0;

/** Records that an index of `bytes` bytes is unreferenced. `old`: it lived long enough to leave the young generation. */
export function dropped(bytes: number, old = false): void {
  garbageBytes += bytes;
  if (garbageBytes < GARBAGE_BYTES_MAX) return;
  garbageBytes = 0;
  // The host runs with --expose-gc. Elsewhere (unit tests) V8 alone decides when to collect.
  const collect = globalThis.gc;
  if (collect === undefined) return;
  if (old) collect();
  else (collect as (options: { type: string }) => void)({ type: "minor" });
}
