import type { FaissIndex } from "./faiss.ts";

/** Results that arrays are kept for; larger answers get arrays of their own. */
const KEPT_MAX = 65_536;
/** From this number of queries on, FAISS itself searches a flat index by matrix product; below it, it scans all rows for each query. */
const QUERIES_AT_ONCE = 20;
/**
 * From this batch size on, padding the batch with unused queries is faster. With Debian's FAISS and 10,000 rows of 384
 * numbers, 1 query takes 2.0 ms of the processor, 2 take 4.0, 16 take 31, 20 take 2.5, and 32 take 3.6.
 */
const FILLED_UP_MIN = 2;

/** `k` results for each query, one query behind the other. Missing ones have the label -1. */
export interface FoundRows {
  readonly distances: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
}

/** Calls of FAISS's search, by the best method that the binding has. The arrays of an answer are used again for the next one. */
export class SearchResults {
  #distances = new Float32Array(0);
  #labels = new Int32Array(0);

  /** @param count of whole vectors in `queries`. @param lists that an IVF index visits; 0: as its file says. */
  of(index: FaissIndex, queries: Float32Array, count: number, k: number, lists: number): FoundRows {
    if (index.searchMany === undefined) return searchNumbers(index, queries, count, k);
    if (count * k > this.#labels.length) this.#grow(count * k);
    const [distances, labels] =
      count * k <= this.#labels.length
        ? [this.#distances, this.#labels]
        : [new Float32Array(count * k), new Int32Array(count * k)];
    index.searchMany(queries, k, distances, labels, lists);
    return { distances, labels };
  }

  #grow(results: number): void {
    const room = Math.min(KEPT_MAX, 2 * results);
    this.#distances = new Float32Array(room);
    this.#labels = new Int32Array(room);
  }
}

/** By the method of faiss-node, which takes numbers: for a flat index, the batch is filled up with zeros where that is faster. */
function searchNumbers(index: FaissIndex, queries: Float32Array, count: number, k: number): FoundRows {
  const dimension = queries.length / count;
  const padded = isFlat(index) && count >= FILLED_UP_MIN ? Math.max(count, QUERIES_AT_ONCE) : count;
  const floats = new Array<number>(padded * dimension); // At its full length at once: growing it copies it several times.
  for (let at = 0; at < queries.length; at++) floats[at] = queries[at]!;
  for (let at = queries.length; at < floats.length; at++) floats[at] = 0;
  return index.search(floats, k);
}

/** Only main indexes are of the class `Index`, whatever their type. */
function isFlat(index: FaissIndex): boolean {
  return index.constructor.name.startsWith("IndexFlat");
}
