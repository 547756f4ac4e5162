import { InternalError } from "../domain/errors.ts";
import { VectorBlock } from "../domain/vector-block.ts";
import { parseVector, type VersionVector } from "../domain/version-vector.ts";

/** Signature, flags, and the length of an extension that there is none of. */
const HEADER_BYTES = 11 + 4 + 4;
/** The end marker: it takes the place of the number of columns. */
const END = -1;

/**
 * Reads what a binary COPY sent: rows one after the other, each its number of columns, and for each of them its length
 * (-1: null) and its bytes. The server sends each row as one message, so no row is in two chunks.
 */
export class CopyRows {
  readonly #chunks: readonly Buffer[];
  #index = 0;
  #chunk: Buffer;
  #at = HEADER_BYTES;
  #vectors: VectorBlock | null = null;

  constructor(chunks: readonly Buffer[]) {
    this.#chunks = chunks;
    this.#chunk = chunks[0] ?? Buffer.alloc(0);
  }

  /** Moves to the next row, whose columns are then read in order, each once. @returns whether there is one. */
  next(columns: number): boolean {
    while (this.#at >= this.#chunk.length) {
      const chunk = this.#chunks[++this.#index];
      if (chunk === undefined) throw new InternalError("the answer to a COPY ended within a row");
      this.#at = 0;
      this.#chunk = chunk;
    }
    const found = this.#chunk.readInt16BE(this.#at);
    this.#at += 2;
    if (found === END) return false;
    if (found !== columns) throw new InternalError(`a row of a COPY has ${found} columns, not ${columns}`);
    return true;
  }

  text(): string | null {
    const start = this.#begin();
    return start < 0 ? null : this.#chunk.toString("utf8", start, this.#at);
  }

  float(): number | null {
    const start = this.#begin();
    return start < 0 ? null : this.#chunk.readDoubleBE(start);
  }

  /** Any value's bytes, in hexadecimal. */
  digits(): string | null {
    const start = this.#begin();
    return start < 0 ? null : this.#chunk.toString("hex", start, this.#at);
  }

  /** The version vector of the column. Null also for text that is no vector. */
  versionVector(): VersionVector | null {
    const json = this.text();
    return json === null ? null : parseVector(json);
  }

  /** float32, little-endian. */
  embedding(): Float32Array | null {
    const start = this.#begin();
    if (start < 0) return null;
    const bytes = this.#chunk.subarray(start, this.#at);
    // Those that follow are most likely as long.
    this.#vectors ??= new VectorBlock((bytes.byteLength >>> 2) * (this.#chunks.length - this.#index));
    return this.#vectors.copyBytes(bytes);
  }

  /** Skips a value. @returns its start, -1 for null; its end is the new position. */
  #begin(): number {
    const length = this.#chunk.readInt32BE(this.#at);
    const start = this.#at + 4;
    this.#at = length < 0 ? start : start + length;
    return length < 0 ? -1 : start;
  }
}
