import { embeddingFromBytes } from "./checksum.ts";

/** Numbers of one vector that a block reserves room for. A longer vector is refused, or gets memory of its own. */
const NUMBERS_EXPECTED_MAX = 16_384;

/**
 * Memory for the vectors of memories that are written together: one block costs the allocator and the collector of
 * garbage as much as one vector does. It stays for as long as any of them is in use.
 */
export class VectorBlock {
  readonly #numbers: Float32Array;
  readonly #bytes: Uint8Array;
  #used = 0;

  /** @param numbers of all vectors that are to be copied here. */
  constructor(numbers: number) {
    this.#numbers = new Float32Array(numbers);
    this.#bytes = new Uint8Array(this.#numbers.buffer);
  }

  /** A block with room for the vectors of `inputs`, as far as they have any; undefined for a single one. */
  static for(inputs: readonly { readonly embedding?: unknown }[]): VectorBlock | undefined {
    if (inputs.length < 2) return undefined;
    let numbers = 0;
    for (const input of inputs) {
      const embedding = input?.embedding;
      if (!Array.isArray(embedding) && !(embedding instanceof Float32Array)) continue;
      // Nothing is validated yet: a list may be sparse, and claim a length that it has no elements for.
      if (embedding.length <= NUMBERS_EXPECTED_MAX) numbers += embedding.length;
    }
    return new VectorBlock(numbers);
  }

  /** A copy as float32; undefined when there is no room left. */
  copy(values: ArrayLike<number>): Float32Array | undefined {
    const start = this.#used;
    if (start + values.length > this.#numbers.length) return undefined;
    this.#used += values.length;
    const vector = this.#numbers.subarray(start, this.#used);
    vector.set(values);
    return vector;
  }

  /** The vector that `bytes` holds, wherever they stand; outside of the block when there is no room left in it. */
  copyBytes(bytes: Uint8Array): Float32Array {
    const start = this.#used;
    const length = bytes.byteLength >>> 2;
    if (start + length > this.#numbers.length) return embeddingFromBytes(bytes);
    this.#used += length;
    this.#bytes.set(bytes.byteLength === length * 4 ? bytes : bytes.subarray(0, length * 4), start * 4);
    return this.#numbers.subarray(start, this.#used);
  }
}

/** Numbers of a block that vectors of single memories share: 64 KB. */
const SHARED_NUMBERS = 16_384;

/**
 * Blocks for vectors that come one by one, many at a time. A block stays for as long as one of its vectors is in use, so it
 * is small, and a vector that would take a quarter of it gets memory of its own.
 */
export class SharedVectorBlocks {
  #block = new VectorBlock(0);

  copy(values: ArrayLike<number>): Float32Array | undefined {
    if (values.length * 4 > SHARED_NUMBERS) return undefined;
    const copied = this.#block.copy(values);
    if (copied !== undefined) return copied;
    this.#block = new VectorBlock(SHARED_NUMBERS);
    return this.#block.copy(values);
  }
}
