import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { FLAT_HEADER_BYTES, writeFlatHeader } from "../protocol/flat-block.ts";
import type { VectorShape } from "../protocol/metric.ts";
import type { Faiss } from "./faiss.ts";
import { type SearchParameters, setSearchParameters } from "./search-parameters.ts";
import { SEGMENT_BYTES_MAX } from "./vector-segments.ts";

/** A job for the rebuild worker: rewrite the vectors of some rows, and build an index over them. */
export interface RebuildJob {
  readonly shape: VectorShape;
  /** Number of leading rows, read from the flat file at descriptor 4; 0 for none. */
  readonly firstRows: number;
  /** Flat files with the rows after those, in order. The worker removes each file once read. Null: no row of it is kept. */
  readonly segments: readonly { readonly path: string | null; readonly rows: number }[];
  /** The rows to keep, ascending. */
  readonly kept: Uint32Array;
  /** The output folder. */
  readonly folder: string;
  /** Null: flat segments and no index over them. */
  readonly main: { readonly factory: string; readonly parameters: SearchParameters } | null;
}

export interface RebuildResult {
  /** Flat files with the kept rows; a single file of any size when there is a main index. */
  readonly segments: readonly { readonly path: string; readonly rows: number }[];
  readonly main: string | null;
}

/** The worker's file descriptor for the exact vectors of the previous main index. */
export const FIRST_ROWS_DESCRIPTOR = 4;

const COPY_BYTES = 8 * 1024 * 1024;
/** Vectors added between two checks that the host is alive: adding one to a graph takes a millisecond. */
const ADDED_PER_TURN = 256;
/** Floats per training: FAISS uses at most 256 vectors per centroid, and array length is limited. */
const TRAIN_FLOATS = 32_000_000;
const TRAIN_FLOATS_MAX = 120_000_000;

/** Minimum number of training rows for the index type; with fewer rows FAISS aborts the process. */
export function trainRowsMin(factory: string): number {
  const lists = Number(/IVF(\d+)/.exec(factory)?.[1] ?? 0);
  return Math.max(lists * 39, /PQ/.test(factory) ? 256 * 39 : 0);
}

/** Runs the job. FAISS may abort the process. */
export async function rebuild(faiss: Faiss, job: RebuildJob): Promise<RebuildResult> {
  const source = new RowSource(job);
  try {
    if (job.main === null) return { segments: await writeFlatFiles(job, source, SEGMENT_BYTES_MAX), main: null };
    const segments = await writeFlatFiles(job, source, Number.POSITIVE_INFINITY);
    const path = join(job.folder, "main");
    await writeMain(faiss, job, segments[0]!.path, path);
    setSearchParameters(path, job.main.parameters);
    return { segments, main: path };
  } finally {
    source.close();
  }
}

async function writeFlatFiles(
  { shape, kept, folder }: RebuildJob,
  source: RowSource,
  bytesMax: number,
): Promise<{ path: string; rows: number }[]> {
  const rowBytes = shape.dimension * 4;
  const rowsMax = Math.min(kept.length, Math.max(1, Math.floor(bytesMax / rowBytes)));
  const perCopy = Math.max(1, Math.floor(COPY_BYTES / rowBytes));
  const files: { path: string; rows: number }[] = [];
  for (let start = 0; start < kept.length; start += rowsMax) {
    const wanted = kept.subarray(start, start + rowsMax);
    const path = join(folder, `segment-${files.length}`);
    const file = openSync(path, "wx");
    try {
      const header = Buffer.alloc(FLAT_HEADER_BYTES);
      writeFlatHeader(header, shape, wanted.length);
      writeAll(file, header);
      for (let at = 0; at < wanted.length; at += perCopy) {
        writeAll(file, source.read(wanted.subarray(at, at + perCopy)));
        await nextTurn();
      }
    } finally {
      closeSync(file);
    }
    files.push({ path, rows: wanted.length });
  }
  return files;
}

async function writeMain(faiss: Faiss, job: RebuildJob, vectorsPath: string, target: string): Promise<void> {
  const { dimension, metric } = job.shape;
  const rows = job.kept.length;
  const factory = job.main?.factory ?? "Flat";
  const index = faiss.Index.fromFactory(dimension, factory, metric === "l2" ? 1 : 0);
  const file = openSync(vectorsPath, "r");
  const floats = (start: number, count: number, step: number): number[] => {
    const bytes = Buffer.alloc(count * dimension * 4);
    if (step === 1) readAll(file, bytes, FLAT_HEADER_BYTES + start * dimension * 4);
    else {
      for (let row = 0; row < count; row++) {
        const part = bytes.subarray(row * dimension * 4, (row + 1) * dimension * 4);
        readAll(file, part, FLAT_HEADER_BYTES + Math.floor(row * step) * dimension * 4);
      }
    }
    return Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, count * dimension));
  };
  try {
    if (!index.isTrained()) {
      const enough = Math.max(trainRowsMin(factory), Math.floor(TRAIN_FLOATS / dimension));
      const sample = Math.min(rows, enough, Math.floor(TRAIN_FLOATS_MAX / dimension));
      index.train(floats(0, sample, rows / sample));
      await nextTurn();
    }
    for (let start = 0; start < rows; start += ADDED_PER_TURN) {
      index.add(floats(start, Math.min(ADDED_PER_TURN, rows - start), 1));
      await nextTurn();
    }
    index.write(target);
  } finally {
    closeSync(file);
  }
}

interface SourcePart {
  file: number | null;
  /** Null: an inherited descriptor, or no file because none of its rows is kept. */
  readonly path: string | null;
  readonly base: number;
  readonly end: number;
}

/** The input rows of a job, whichever file holds them. */
class RowSource {
  readonly #rowBytes: number;
  readonly #parts: SourcePart[];

  constructor({ shape, firstRows, segments }: RebuildJob) {
    this.#rowBytes = shape.dimension * 4;
    let base = firstRows;
    this.#parts = firstRows === 0 ? [] : [{ file: FIRST_ROWS_DESCRIPTOR, path: null, base: 0, end: firstRows }];
    for (const { path, rows } of segments) {
      this.#parts.push({ file: null, path, base, end: base + rows });
      base += rows;
    }
  }

  /** The bytes of ascending rows. Each call must continue after the rows of the previous one. */
  read(rows: Uint32Array): Buffer {
    const bytes = Buffer.allocUnsafe(rows.length * this.#rowBytes);
    for (let at = 0; at < rows.length; ) {
      const part = this.#partOf(rows[at]!);
      let run = 1;
      while (at + run < rows.length && rows[at + run] === rows[at]! + run && rows[at + run]! < part.end) run++;
      const target = bytes.subarray(at * this.#rowBytes, (at + run) * this.#rowBytes);
      readAll(part.file as number, target, FLAT_HEADER_BYTES + (rows[at]! - part.base) * this.#rowBytes);
      at += run;
    }
    return bytes;
  }

  close(): void {
    for (const part of this.#parts) this.#drop(part);
  }

  #partOf(row: number): SourcePart {
    while (this.#parts[0] !== undefined && row >= this.#parts[0].end) this.#drop(this.#parts.shift()!);
    const part = this.#parts[0];
    if (part === undefined || (part.file === null && part.path === null)) {
      throw new Error(`row ${row} stands in none of the files`);
    }
    part.file ??= openSync(part.path as string, "r");
    return part;
  }

  #drop({ file, path }: SourcePart): void {
    if (file !== null && path !== null) closeSync(file);
    if (path !== null) rmSync(path, { force: true });
  }
}

function readAll(file: number, target: Uint8Array, position: number): void {
  for (let done = 0; done < target.byteLength; ) {
    const bytesRead = readSync(file, target, done, target.byteLength - done, position + done);
    if (bytesRead === 0) throw new Error(`a file of vectors ends at ${position + done}`);
    done += bytesRead;
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength; ) done += writeSync(file, bytes, done);
}
