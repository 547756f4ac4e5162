import { BUCKET_COUNT } from "./keys.ts";

/** A set of buckets: one byte each, so that it can be handed on as it is. */
export class BucketSet {
  readonly #members = new Uint8Array(BUCKET_COUNT);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(bucket: number): void {
    if (this.#members[bucket] === 0) this.#size++;
    this.#members[bucket] = 1;
  }

  has(bucket: number): boolean {
    return this.#members[bucket] === 1;
  }

  /** Ascending. */
  values(): number[] {
    const values: number[] = [];
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (this.#members[bucket] === 1) values.push(bucket);
    return values;
  }
}

/** How many entries were met with, by bucket. */
export class BucketTally {
  readonly #counts: Uint32Array = new Uint32Array(BUCKET_COUNT);

  count(bucket: number): void {
    this.#counts[bucket]! += 1;
  }

  of(bucket: number): number {
    return this.#counts[bucket] ?? 0;
  }
}

/**
 * Per bucket: how many entries, and the xor and the sum (modulo 2^64) of their digests. The xor alone would not see an
 * entry that stands twice, the sum alone not two changes that cancel each other. 64-bit values are kept as two halves,
 * since BigInt arithmetic costs ten times as much.
 */
export class BucketDigests {
  readonly counts: Uint32Array = new Uint32Array(BUCKET_COUNT);
  readonly xorHigh: Uint32Array = new Uint32Array(BUCKET_COUNT);
  readonly xorLow: Uint32Array = new Uint32Array(BUCKET_COUNT);
  readonly sumHigh: Uint32Array = new Uint32Array(BUCKET_COUNT);
  readonly sumLow: Uint32Array = new Uint32Array(BUCKET_COUNT);

  /** Number of entries in all buckets. */
  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Adds one entry, by the two halves of its digest. */
  add(bucket: number, high: number, low: number): void {
    this.merge(bucket, 1, high, low, high, low);
  }

  /** Adds one entry, by its digest's 16 hex digits. */
  addHex(bucket: number, digest: string): void {
    this.add(bucket, Number.parseInt(digest.slice(0, 8), 16), Number.parseInt(digest.slice(8, 16), 16));
  }

  /** Adds what was computed elsewhere for a bucket. All values are unsigned 32-bit halves. */
  merge(bucket: number, count: number, xorHigh: number, xorLow: number, sumHigh: number, sumLow: number): void {
    this.counts[bucket]! += count;
    this.xorHigh[bucket]! ^= xorHigh;
    this.xorLow[bucket]! ^= xorLow;
    const low = this.sumLow[bucket]! + sumLow;
    this.sumLow[bucket] = low;
    this.sumHigh[bucket]! += sumHigh + (low > 0xffff_ffff ? 1 : 0);
  }

  /** Buckets in which the two differ. */
  differences(other: BucketDigests): number[] {
    const buckets: number[] = [];
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (
        this.counts[bucket] !== other.counts[bucket] ||
        this.xorHigh[bucket] !== other.xorHigh[bucket] ||
        this.xorLow[bucket] !== other.xorLow[bucket] ||
        this.sumHigh[bucket] !== other.sumHigh[bucket] ||
        this.sumLow[bucket] !== other.sumLow[bucket]
      ) {
        buckets.push(bucket);
      }
    }
    return buckets;
  }
}
