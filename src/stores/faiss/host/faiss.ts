import { bindingFiles, loadFirst } from "./binding.ts";
import { HostError } from "./host-error.ts";

/**
 * The part of faiss-node that the host uses. Not used: `fromBuffer` and `toBuffer`, which leak their buffer, and
 * `removeIds`, which moves the labels behind it. Exceptions inside FAISS that the binding does not guard (`write` to a
 * full disk among them) abort the process, so callers see to it that none can arise.
 */
export interface FaissIndex {
  ntotal(): number;
  add(floats: number[]): void;
  /** k must not exceed `ntotal()`. Missing results have the label -1. */
  search(floats: number[], k: number): { distances: number[]; labels: number[] };
  write(path: string): void;
  /** Takes all rows of `other`, which is empty afterwards. */
  mergeFrom(other: FaissIndex): void;
}

export interface FaissIndexClass {
  new (dimension: number): FaissIndex;
  read(path: string): FaissIndex;
}

/** An index of any kind, by FAISS's factory string. */
export interface AnyFaissIndex extends FaissIndex {
  /** Too few vectors for the kind of index abort the process. */
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
 * Native memory of dropped indexes is freed when their wrappers are collected, and V8 does not know how big they are:
 * left alone, 100,000 merged blocks held on to 2 GB. A minor collection after 32 MiB costs a millisecond and kept it
 * level.
 */
const GARBAGE_BYTES_MAX = 32 * 1024 * 1024;

let garbageBytes = 0;

/** Tells that an index of `bytes` bytes is no longer referenced. `old`: it lived long enough to leave the young heap. */
export function dropped(bytes: number, old = false): void {
  garbageBytes += bytes;
  if (garbageBytes < GARBAGE_BYTES_MAX) return;
  garbageBytes = 0;
  // The host is started with --expose-gc; elsewhere (in unit tests) the collector comes when it comes.
  const collect = globalThis.gc;
  if (collect === undefined) return;
  if (old) collect();
  else (collect as (options: { type: string }) => void)({ type: "minor" });
}
