import { writeFileSync } from "node:fs";
import { checkFlatFile, createFlatBlock, FlatFormatError, flatFileBytes } from "../protocol/flat-block.ts";
import type { WireBlock } from "../protocol/messages.ts";
import { scoreOf, type VectorShape } from "../protocol/metric.ts";
import { dropped, type Faiss, type FaissIndex, type FaissIndexClass } from "./faiss.ts";
import { checkArgument, HostError } from "./host-error.ts";
import type { ScratchSpace } from "./scratch-space.ts";
import { SearchResults } from "./search-results.ts";
import type { SlotHit } from "./slot-hit.ts";

/**
 * Up to this many floats `add(number[])` is as fast as a block file. Measured: 0.07 ms either way for one 384-d vector;
 * for 100 of them 6.5 ms with `add` against 1.4 ms with a file.
 */
const ADD_FLOATS_MAX = 384;

/** Validated vectors, ready to be added: adding them cannot fail. */
export interface StagedBlock {
  readonly rows: number;
  readonly bytes: number;
  readonly rowsIn: StagedRows;
}

/**
 * Rows as they came where the binding takes them so (`addMany`); otherwise in a separate index, or as numbers where there are few. Those
 * of a file are in an index.
 */
export type StagedRows = FaissIndex | Float32Array | number[];

export function isIndex(rows: StagedRows): rows is FaissIndex {
  return !Array.isArray(rows) && !(rows instanceof Float32Array);
}

/** Makes flat indexes of one shape, from vectors and from files, and writes them to files. */
export class FlatSpace {
  readonly shape: VectorShape;
  readonly scratch: ScratchSpace;
  readonly #faiss: Faiss;
  readonly #class: FaissIndexClass;
  readonly #addsMany: boolean;
  readonly #results = new SearchResults();

  constructor(faiss: Faiss, shape: VectorShape, scratch: ScratchSpace) {
    this.shape = shape;
    this.scratch = scratch;
    this.#faiss = faiss;
    this.#class = shape.metric === "l2" ? faiss.IndexFlatL2 : faiss.IndexFlatIP;
    this.#addsMany = this.#class.prototype.addMany !== undefined;
  }

  get rowBytes(): number {
    return this.shape.dimension * 4;
  }

  empty(): FaissIndex {
    return new this.#class(this.shape.dimension);
  }

  /** Validates and stages a block. The caller may remove the block's file afterwards. @throws {HostError} */
  stage(block: WireBlock): StagedBlock {
    checkArgument(Number.isInteger(block.rows) && block.rows > 0, `a block of ${block.rows} rows`);
    const bytes = block.rows * this.rowBytes;
    if (typeof block.vectors === "string") {
      return { rows: block.rows, bytes, rowsIn: this.readFile(block.vectors, block.rows, { reused: true }) };
    }
    const { vectors } = block;
    checkArgument(
      vectors.length === block.rows * this.shape.dimension,
      `${vectors.length} floats where ${block.rows} rows of ${this.shape.dimension} were announced`,
    );
    checkArgument(allFinite(vectors), "a vector contains a number that is not finite");
    return { rows: block.rows, bytes, rowsIn: this.fromVectors(vectors) };
  }

  /** The index in a flat file. @throws {HostError} INVALID_ARGUMENT: the file does not match the announced shape. */
  readFile(path: string, rows: number, options: { reused?: boolean } = {}): FaissIndex {
    try {
      const found = checkFlatFile(path, this.shape, options);
      checkArgument(found === rows, `the file holds ${found} rows, not ${rows}`);
    } catch (error) {
      if (error instanceof FlatFormatError) throw new HostError("INVALID_ARGUMENT", error.message, { cause: error });
      throw error;
    }
    return this.#class.read(path);
  }

  fromVectors(vectors: Float32Array): StagedRows {
    if (this.#addsMany) return vectors;
    if (vectors.length <= ADD_FLOATS_MAX) return Array.from(vectors);
    const rows = vectors.length / this.shape.dimension;
    const block = createFlatBlock(this.shape, rows);
    block.vectors.set(vectors);
    return this.scratch.using(block.bytes.byteLength, (path) => {
      writeFileSync(path, block.bytes);
      return this.#class.read(path);
    });
  }

  /** Adds a staged block to the end of `index`. */
  append(index: FaissIndex, staged: StagedBlock): void {
    const { rowsIn } = staged;
    if (isIndex(rowsIn)) {
      index.mergeFrom(rowsIn);
      dropped(staged.bytes);
    } else if (Array.isArray(rowsIn)) index.add(rowsIn);
    else index.addMany?.(rowsIn);
  }

  /** The index in the bytes of a flat file. @throws {HostError} */
  readBytes(bytes: Uint8Array, rows: number): FaissIndex {
    return this.scratch.using(bytes.byteLength, (path) => {
      writeFileSync(path, bytes);
      return this.readFile(path, rows);
    });
  }

  /** Reads an index of any type. @param path a file that FAISS wrote; any other file may abort this process. */
  readAny(path: string): FaissIndex {
    return this.#faiss.Index.read(path);
  }

  /**
   * The live rows of `index` nearest to each query: `k` of them, or all live rows where fewer exist; an approximate index
   * may find fewer still.
   * @param rows `base` is the slot of the index's first row, `dead` the number of its dead rows.
   * @param lists that an IVF index visits; 0: as its file says.
   */
  searchLive(
    index: FaissIndex,
    { base = 0, rows, dead }: { base?: number; rows: number; dead: number },
    queries: Float32Array,
    k: number,
    isLive: (slot: number) => boolean,
    lists = 0,
  ): SlotHit[][] {
    const { dimension, metric } = this.shape;
    const hits: SlotHit[][] = Array.from({ length: queries.length / dimension }, () => []);
    // A request for k + dead rows always contains k live rows. Usually far fewer suffice: start with the number that evenly
    // spread dead rows need, plus a margin, and widen while any query lacks results.
    const enough = Math.min(rows, k + dead);
    const share = rows / (rows - dead);
    let asked = dead === 0 ? enough : Math.min(enough, Math.ceil(k * share * 1.2) + 16);
    let open = hits.map((_, query) => query);
    while (open.length > 0) {
      const asking = open.length === hits.length ? queries : rowsOf(queries, dimension, open);
      const { distances, labels } = this.#results.of(index, asking, open.length, asked, lists);
      const lacking: number[] = [];
      for (const [position, query] of open.entries()) {
        const found: SlotHit[] = [];
        for (let rank = position * asked; rank < (position + 1) * asked && found.length < k; rank++) {
          const label = labels[rank]!;
          // -1: FAISS visited fewer rows than requested, or could compare fewer (a product overflowed to NaN).
          if (label < 0 || !isLive(base + label)) continue;
          found.push({ slot: base + label, score: scoreOf(metric, distances[rank]!) });
        }
        if (found.length < k && asked < enough) lacking.push(query);
        else hits[query] = found;
      }
      open = lacking;
      asked = Math.min(enough, asked * 4);
    }
    return hits;
  }

  /** Writes `index` to a scratch file. The caller removes it. @throws {HostError} NO_ROOM */
  writeScratch(index: FaissIndex): string {
    const path = this.scratch.pathFor(flatFileBytes(this.shape, index.ntotal()));
    index.write(path);
    return path;
  }
}

/** The rows `wanted` of `vectors`. */
function rowsOf(vectors: Float32Array, dimension: number, wanted: readonly number[]): Float32Array<ArrayBuffer> {
  const rows = new Float32Array(wanted.length * dimension);
  for (const [to, row] of wanted.entries()) {
    rows.set(vectors.subarray(row * dimension, (row + 1) * dimension), to * dimension);
  }
  return rows;
}

/** Whether all numbers are finite. */
export function allFinite(vectors: Float32Array): boolean {
  // A single NaN or infinity makes the sum of squares non-finite; finite float32 values never do.
  let squares = 0;
  for (let index = 0; index < vectors.length; index++) squares += vectors[index]! * vectors[index]!;
  return Number.isFinite(squares);
}
