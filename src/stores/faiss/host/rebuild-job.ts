import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { FLAT_HEADER_BYTES, writeFlatHeader } from "../protocol/flat-block.ts";
import type { VectorShape } from "../protocol/metric.ts";
import type { Faiss } from "./faiss.ts";
import { type SearchParameters, setSearchParameters } from "./search-parameters.ts";
import { SEGMENT_BYTES_MAX } from "./vector-segments.ts";

/** What the worker is asked to do: write the vectors of some rows anew, and make an index over them. */
export interface RebuildJob {
  readonly shape: VectorShape;
  /** Rows that come first, from the flat file that the worker has as descriptor 4; 0 for none. */
  readonly firstRows: number;
  /** Flat files with the rows behind those, in order. Removed as they are read. Null: none of its rows is wanted. */
  readonly segments: readonly { readonly path: string | null; readonly rows: number }[];
  /** The rows wanted, ascending. */
  readonly kept: Uint32Array;
  /** Where results are written. */
  readonly folder: string;
  /** Null: flat segments and no index over them. */
  readonly main: { readonly factory: string; readonly parameters: SearchParameters } | null;
}

export interface RebuildResult {
  /** Flat files with the wanted rows; one of any size where there is a main index. */
  readonly segments: readonly { readonly path: string; readonly rows: number }[];
  readonly main: string | null;
}

/** The descriptor under which the worker finds the vectors that a main index stood on. */
export const FIRST_ROWS_DESCRIPTOR = 4;

const COPY_BYTES = 8 * 1024 * 1024;
/** Vectors added between two looks at whether the host still lives: a graph takes a millisecond for each. */
const ADDED_PER_TURN = 256;
/** Numbers given to a training: FAISS looks at 256 vectors per centroid at most, and an array has its limits. */
const TRAIN_FLOATS = 32_000_000;
const TRAIN_FLOATS_MAX = 120_000_000;

/** Rows from which on an index of this kind can be trained; FAISS aborts the process when there are fewer. */
export function trainRowsMin(factory: string): number {
  const lists = Number(/IVF(\d+)/.exec(factory)?.[1] ?? 0);
  return Math.max(lists * 39, /PQ/.test(factory) ? 256 * 39 : 0);
}

/** Does the job. FAISS may abort the process. */
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
  /** Null: a descriptor that was handed down, or no file since no row of it is wanted. */
  readonly path: string | null;
  readonly base: number;
  readonly end: number;
}

/** The rows that a job begins with, wherever they stand. */
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

  /** The bytes of ascending rows, none of them before those of the last call. */
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
