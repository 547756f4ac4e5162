import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Metric, VectorShape } from "./metric.ts";

/**
 * FAISS's file format of a flat index, little-endian: fourcc, dimension i32, rows i64, two unused i64, is_trained u8,
 * metric i32, number of floats u64, the floats row by row. Writing this file and letting FAISS read it is ten times faster
 * than `add(number[])`, which converts element by element. The format is also the only way to read vectors back.
 */
export const FLAT_HEADER_BYTES = 45;

/** Offset of the floats in a block's buffer, aligned for a Float32Array view; the file starts at byte 3. */
const ALIGNED_HEADER_BYTES = 48;
const UNUSED = 1n << 20n;

/** The bytes are not a flat index of the expected shape. */
export class FlatFormatError extends Error {}

/** A block of vectors in memory, in the file format. */
export interface FlatBlock {
  /** The whole file. */
  readonly bytes: Buffer;
  /** A view of the rows in `bytes`, for the caller to fill. */
  readonly vectors: Float32Array;
}

/** A block of `rows` vectors of zeros. */
export function createFlatBlock(shape: VectorShape, rows: number): FlatBlock {
  return new FlatBlockBuffer().block(shape, rows);
}

/** A buffer reused for one block after another. */
export class FlatBlockBuffer {
  #memory = new ArrayBuffer(0);

  get byteLength(): number {
    return this.#memory.byteLength;
  }

  /** A block of `rows` vectors with undefined contents. Invalidates the previous block. */
  block(shape: VectorShape, rows: number): FlatBlock {
    const floats = rows * shape.dimension;
    const needed = ALIGNED_HEADER_BYTES + floats * 4;
    if (this.#memory.byteLength < needed) this.#memory = new ArrayBuffer(needed);
    const start = ALIGNED_HEADER_BYTES - FLAT_HEADER_BYTES;
    const bytes = Buffer.from(this.#memory, start, needed - start);
    writeFlatHeader(bytes, shape, rows);
    return { bytes, vectors: new Float32Array(this.#memory, ALIGNED_HEADER_BYTES, floats) };
  }
}

/** Bytes of a flat file of that many rows. */
export function flatFileBytes(shape: VectorShape, rows: number): number {
  return FLAT_HEADER_BYTES + rows * shape.dimension * 4;
}

/** Writes the header of `rows` rows to the start of `bytes`. */
export function writeFlatHeader(bytes: Buffer, shape: VectorShape, rows: number): void {
  bytes.write(fourcc(shape.metric), 0, "latin1");
  bytes.writeInt32LE(shape.dimension, 4);
  bytes.writeBigInt64LE(BigInt(rows), 8);
  bytes.writeBigInt64LE(UNUSED, 16);
  bytes.writeBigInt64LE(UNUSED, 24);
  bytes.writeUInt8(1, 32);
  bytes.writeInt32LE(shape.metric === "l2" ? 1 : 0, 33);
  bytes.writeBigUInt64LE(BigInt(rows * shape.dimension), 37);
}

/**
 * Number of rows in a flat file of `fileBytes` bytes that starts with `header`.
 * @throws {FlatFormatError} The file is not a complete flat index of this shape: FAISS would throw, or abort the process.
 */
export function checkFlatHeader(header: Buffer, fileBytes: number, shape: VectorShape): number {
  if (header.byteLength < FLAT_HEADER_BYTES || fileBytes < FLAT_HEADER_BYTES) {
    throw new FlatFormatError(`${fileBytes} bytes are too few for a flat index`);
  }
  const rows = Number(header.readBigInt64LE(8));
  if (!Number.isSafeInteger(rows) || rows < 0) throw new FlatFormatError(`${rows} rows`);
  const expected = Buffer.alloc(FLAT_HEADER_BYTES);
  writeFlatHeader(expected, shape, rows);
  if (!expected.equals(header.subarray(0, FLAT_HEADER_BYTES))) {
    throw new FlatFormatError(`the header is not that of a flat ${shape.metric} index of dimension ${shape.dimension}`);
  }
  if (fileBytes !== flatFileBytes(shape, rows)) {
    throw new FlatFormatError(`${fileBytes} bytes where ${rows} rows take ${flatFileBytes(shape, rows)}`);
  }
  return rows;
}

/**
 * Number of rows in the flat file at `path`. `reused`: stale bytes of a longer file may follow its end; FAISS does not read
 * them. @throws {FlatFormatError}
 */
export function checkFlatFile(path: string, shape: VectorShape, { reused = false } = {}): number {
  const file = openSync(path, "r");
  try {
    const header = Buffer.alloc(FLAT_HEADER_BYTES);
    const bytesRead = readSync(file, header, 0, FLAT_HEADER_BYTES, 0);
    let { size } = fstatSync(file);
    if (reused && bytesRead === FLAT_HEADER_BYTES) {
      const announced = flatFileBytes(shape, Number(header.readBigInt64LE(8)));
      if (announced >= 0 && announced < size) size = announced;
    }
    return checkFlatHeader(header.subarray(0, bytesRead), size, shape);
  } finally {
    closeSync(file);
  }
}

function fourcc(metric: Metric): string {
  return metric === "l2" ? "IxF2" : "IxFI";
}
